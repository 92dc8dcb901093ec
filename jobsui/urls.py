from django.urls import include, path

from jobsui.ops import background_tasks

urlpatterns = [
    path("api/", include("jobsui.api.urls")),
    path("rq/", include((background_tasks.urls(), "django_rq"))),
    path("", include("jobsui.web.urls")),
]
handler400 = "jobsui.web.error_pages.bad_request"
