from django.urls import include, path

urlpatterns = [path("api/v2/", include("jobsui.api.dropin.urls")), path("", include("jobsui.web.urls"))]
