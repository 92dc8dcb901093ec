from django.urls import include, path

urlpatterns = [
    path("api/", include("jobsui.api.urls")),
    path("", include("jobsui.web.urls")),
]
handler400 = "jobsui.web.error_pages.bad_request"
