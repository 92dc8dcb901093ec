"""The product's settings with a data directory for the tests alone. Tests run on SQLite,
or on the database and queue that JOBSUI_TEST_DATABASE_URL and JOBSUI_TEST_REDIS_URL name
(tools/servers.py)."""

import atexit
import os
import shutil
import tempfile

# Other test processes, and those that tests start, share the directory.
if "JOBSUI_DATA_DIR" not in os.environ:
    os.environ["JOBSUI_DATA_DIR"] = tempfile.mkdtemp(prefix="jobsui-tests-")
    atexit.register(shutil.rmtree, os.environ["JOBSUI_DATA_DIR"], ignore_errors=True)
for name in (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "JOBSUI_ENCRYPTION_KEYS",
    "CSRF_TRUSTED_ORIGINS",
    "DEBUG",
):
    os.environ.pop(name, None)
for name in ("DATABASE_URL", "REDIS_URL"):
    os.environ[name] = os.environ.get(f"JOBSUI_TEST_{name}", "")
os.environ["JOBSUI_API_HOSTS"] = "*.zendesk.com,127.0.0.1"

from jobsui import keys  # noqa: E402
from jobsui.settings import *  # noqa: E402, F403
from tests.timing import FAST, as_setting  # noqa: E402

# Processes that tests start have their own (databases.py).
for name in ("DATABASE_URL", "REDIS_URL"):
    del os.environ[name]

# Each test process has its own folder: tests count the stored files, and a folder has
# one first-run token.
DATA_DIR = DATA_DIR / os.environ.get("PYTEST_XDIST_WORKER", "alone")  # noqa: F405
DATA_DIR.mkdir(exist_ok=True)
MEDIA_ROOT = DATA_DIR / "files"
STORAGE_ID = keys.storage_id(MEDIA_ROOT)
FILE_UPLOAD_TEMP_DIR = MEDIA_ROOT / "incoming"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":  # noqa: F405
    # A file, because the threads of a driver share it. Tests need not survive a power
    # cut, so nothing waits for the disk.
    DATABASES["default"]["TEST"] = {"NAME": DATA_DIR / "test.sqlite3"}  # noqa: F405
    DATABASES["default"]["OPTIONS"]["init_command"] = (  # type: ignore[index]  # noqa: F405
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
    )
ENCRYPTION_KEYS = [b"k" * 32]
TIMING = as_setting(FAST)
READ_FILES_IN_PROCESS = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
