"""Django settings. Those that people may change come from the environment (README,
"Settings")."""

import hashlib
import os
import tempfile
from pathlib import Path

from django.utils.csp import CSP
from whitenoise.compress import Compressor

from jobsui import keys
from jobsui.environment import (
    close_to_others,
    database_from_url,
    env_bool,
    env_choice,
    env_int,
    env_list,
    env_secret,
    env_text,
    mail_from_url,
)

# Only the owner may read what a process of the product writes.
os.umask(0o077)

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env_text("JOBSUI_DATA_DIR", str(BASE_DIR / "data"))).resolve()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

DEBUG = env_bool("DEBUG", default=False)
SECRET_KEY = keys.secret_key(DATA_DIR)
ENCRYPTION_KEYS = keys.encryption_keys(DATA_DIR)
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
# How many proxies in front of the web server add to X-Forwarded-For
# (access/client_address.py).
TRUSTED_PROXIES = env_int("JOBSUI_TRUSTED_PROXIES", default=0, minimum=0)
# A TLS proxy must be listed there anyway. Without one, the product serves plain HTTP on
# loopback.
HTTPS = any(origin.startswith("https://") for origin in CSRF_TRUSTED_ORIGINS)

INSTALLED_APPS = [
    "jobsui.ops.apps.OpsConfig",
    "jobsui.web",
    "jobsui.api",
    "ninja",
    "jobsui.access",
    "jobsui.jobs",
    "jobsui.notifications",
    "jobsui.connections",
    "jobsui.audit",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_htmx",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    # The pages and commands of django-rq. Its pages use parts of the admin, which itself
    # has no address.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django_rq",
    "jobsui.ops.apps.StaticFiles",
]

MIDDLEWARE = [
    "jobsui.ops.health.middleware",
    "jobsui.api.https.require_https",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "jobsui.web.sessions.end_old_sessions",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "jobsui.web.middleware.audited",
    "jobsui.web.middleware.no_store",
    "jobsui.web.middleware.gone",
    "jobsui.web.crossing.Crossing",
    # Before the CSRF check, which reads the body: this refuses uploads from people who
    # are not signed in, and bodies that are too large.
    "jobsui.web.middleware.SignInRequired",
    "jobsui.web.middleware.SetupRequired",
    "jobsui.web.middleware.BodyLimit",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "jobsui.web.middleware.method_not_allowed",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "jobsui.urls"
WSGI_APPLICATION = "jobsui.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "jobsui.web.context.page_address",
            ],
        },
    },
]

DATABASES = {
    "default": database_from_url(
        env_text("DATABASE_URL", f"sqlite:///{DATA_DIR / 'jobsui.sqlite3'}")
    )
}
close_to_others(DATABASES["default"])
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": {"BACKEND": "jobsui.access.cache.JsonCache"}}


def _run_dir() -> Path:
    """Directory of the embedded Valkey's socket, whose path may have about 100 characters
    at most."""
    inside = DATA_DIR / "run"
    if len(str(inside)) <= 80:
        return inside
    name = hashlib.sha256(str(DATA_DIR).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"jobsui-{os.getuid()}-{name}"


RUN_DIR = _run_dir()
REDIS_URL = env_text("REDIS_URL", f"unix://{RUN_DIR / 'valkey.sock'}")

MEDIA_ROOT = DATA_DIR / "files"
# Tells which of several machines stores a file (File.storage_id).
STORAGE_ID = keys.storage_id(MEDIA_ROOT)

# JSON instead of pickle, so that the queue cannot run foreign code. The workers of a
# machine read the files stored there (jobs/queueing.py).
RQ_QUEUES = {
    name: {"URL": REDIS_URL, "SERIALIZER": "rq.serializers.JSONSerializer"}
    for name in (
        *(f"{kind}:{STORAGE_ID}" for kind in ("read", "work", "large")),
        "drive",
        "notify",
    )
}
RQ = {
    "JOB_CLASS": "jobsui.jobs.queueing.Task",
    "WORKER_CLASS": "jobsui.jobs.queueing.Worker",
}

# Per web process (up.py). All but these few may wait for something outside (waits.py).
WEB_THREADS = 16
FREE_WEB_THREADS = 4

MAX_UPLOAD_BYTES = env_int("JOBSUI_MAX_UPLOAD_MB", default=2048) * 1024 * 1024
# How much the uploaded files of one person may take, in MB; 0: no limit.
MAX_FILES_MB = env_int("JOBSUI_MAX_FILES_MB", default=0, minimum=0)
# How much of the disk uploads leave free, in MB.
MIN_FREE_MB = env_int("JOBSUI_MIN_FREE_MB", default=1024, minimum=0)
FILE_UPLOAD_HANDLERS = ["jobsui.jobs.preparation.upload_room.UploadHandler"]
# On the same file system as uploads, so that a complete upload is only renamed. /tmp may
# be small, or in memory.
FILE_UPLOAD_TEMP_DIR = MEDIA_ROOT / "incoming"
FILE_UPLOAD_TEMP_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
FILE_UPLOAD_PERMISSIONS = 0o600
# A file is read in a process of its own, with these limits (files/parser_process.py).
FILE_LIMITS = {
    "memory_mb": env_int("JOBSUI_MAX_READ_MEMORY_MB", default=1024, minimum=512),
    "max_seconds": 60 * env_int("JOBSUI_MAX_READ_MINUTES", default=15),
}
# Only tests change it: a process takes longer than most of them.
READ_FILES_IN_PROCESS = False
# Without files. The body of a test request is up to 1 MB, and grows when it is encoded
# as a form.
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
# One per column of a file, and a few more.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1100

# For how many days history is kept after the end of a job; 0: forever
# (jobs/retention.py).
KEEP_DAYS = {
    "undo": env_int("JOBSUI_KEEP_UNDO_DAYS", default=30, minimum=0),
    "undo_deletes": env_int("JOBSUI_KEEP_UNDO_DELETES_DAYS", default=90, minimum=0),
    "bodies": env_int("JOBSUI_KEEP_BODIES_DAYS", default=90, minimum=0),
    "attempts": env_int("JOBSUI_KEEP_ATTEMPTS_DAYS", default=365, minimum=0),
    "results": env_int("JOBSUI_KEEP_RESULTS_DAYS", default=365, minimum=0),
    "files": env_int("JOBSUI_KEEP_FILES_DAYS", default=90, minimum=0),
    "jobs": env_int("JOBSUI_KEEP_JOBS_DAYS", default=0, minimum=0),
}
# The same for sent messages, in days after the event.
KEEP_MESSAGES_DAYS = env_int("JOBSUI_KEEP_MESSAGES_DAYS", default=90, minimum=0)

# How much the old values of records may take, in MB; 0: no limit. Beyond it, those of the jobs
# that ended first are deleted.
MAX_UNDO_MB = env_int("JOBSUI_MAX_UNDO_MB", default=0, minimum=0)

# Hosts that connections may use (connections/hosts.py).
API_HOSTS = env_list("JOBSUI_API_HOSTS", ("*.zendesk.com",))

# Hosts of webhooks that may lead inside, or use plain http (notifications/targets.py).
NOTIFY_HOSTS = env_list("JOBSUI_NOTIFY_HOSTS")
# "" as the sender: mail is off.
MAILERS, DEFAULT_FROM_EMAIL = mail_from_url(env_secret("EMAIL_URL"))
# Mail is off unless EMAIL_URL is set, and pages say so.
SILENCED_SYSTEM_CHECKS = ["mail.E001"]
# Of the links in messages; "" if it is not known. They have only the path then.
PUBLIC_URL = next(
    (origin for origin in CSRF_TRUSTED_ORIGINS if origin.startswith("https://")), ""
)

# How many accounts one worker process drives at a time (jobs/delivery/turns.py).
MAX_ACCOUNTS = env_int("JOBSUI_MAX_ACCOUNTS", default=32)

# The clock that drivers read, and what differs from the defaults of
# jobsui.jobs.timing.Timing. Only tests change them.
CLOCK = "jobsui.clock.SYSTEM_CLOCK"
TIMING: dict[str, float] = {}

AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"
    },
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_ADAPTER = "jobsui.web.accounts.AccountAdapter"
# The key is a username at an address (web/accounts.py).
# Only failures count, so that colleagues behind one address do not limit each other.
ACCOUNT_RATE_LIMITS = {"login": None, "login_failed": "30/m/ip,5/5m/key"}
ACCOUNT_FORMS = {"change_password": "jobsui.web.forms.password.ChangePasswordForm"}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
MFA_ADAPTER = "jobsui.web.second_factor.FactorAdapter"
MFA_FORMS = {
    "activate_totp": "jobsui.web.forms.second_factor.ActivateForm",
    "authenticate": "jobsui.web.forms.second_factor.AuthenticateForm",
    "reauthenticate": "jobsui.web.forms.second_factor.ReauthenticateForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_RECOVERY_CODES_SHOW_ONCE = True
# The clock of a phone may be half a minute off.
MFA_TOTP_TOLERANCE = 1
# Of the people who need a second factor, the least role; "": none.
REQUIRE_SECOND_FACTOR = env_choice(
    "JOBSUI_REQUIRE_SECOND_FACTOR",
    ("viewer", "operator", "approver", "administrator"),
)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"

# In the session instead of a cookie, because messages name connections and people.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_ENGINE = "jobsui.access.session_store"
# A session ends after this time without use, and after SESSION_DAYS in any case
# (web/sessions.py).
SESSION_COOKIE_AGE = env_int("JOBSUI_SESSION_HOURS", default=12) * 3600
SESSION_DAYS = env_int("JOBSUI_SESSION_DAYS", default=7)
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "jobsui_session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "jobsui_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "jobsui.web.error_pages.csrf_failure"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Strict"
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = env_text("TZ", "UTC")

STATIC_URL = "/static/"
# Source maps are read by developers' tools only.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "jobsui.log_lines.LineFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    # web/middleware.py logs these, with whom they were answered to.
    "filters": {
        "without_refusals": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: (
                getattr(record, "status_code", 0) not in {401, 403, 404, 429}
            ),
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env_text("LOG_LEVEL", "INFO")},
    "loggers": {
        # Its warnings quote the headers of a response, which may repeat a secret.
        "urllib3.connection": {"level": "ERROR"},
        "django.request": {"filters": ["without_refusals"]},
    },
}
