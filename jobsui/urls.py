from django.urls import include, path

urlpatterns = [path("", include("jobsui.web.urls"))]
