from django.urls import include, path

urlpatterns = [
    path("", include("jobsui.ops.urls")),
    path("", include("jobsui.web.urls")),
]
