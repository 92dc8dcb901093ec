from django.urls import path

from jobsui.ops import health

urlpatterns = [path("healthz", health.healthz, name="healthz")]
