import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsui.settings")
application = get_wsgi_application()
# Here, before the server forks its workers, and not with the first request to each of
# them.
import_module(settings.ROOT_URLCONF)
