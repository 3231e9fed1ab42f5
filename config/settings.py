"""All settings, from the environment. Safe by default; ``make setup`` writes ``var/dev.env``.

Every variable stands in ``docs/settings.md``.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import environ
from celery.schedules import crontab
from cryptography.fernet import Fernet

from config.env import (
    SettingError,
    env_bool,
    env_cron,
    env_list,
    env_number,
    env_origins,
    env_public_keys,
    env_secret,
    env_secrets,
    env_signing_key,
    env_text,
    env_url,
    env_whole,
    env_word,
    env_zone,
)
from config.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

# Numerical libraries read this once, when they load. More threads make one prediction slower and
# may hang a forked worker, so every process of the service uses one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Real variables win over the file of development secrets.
environ.Env.read_env(str(VAR_DIR / "dev.env"), overwrite=False)

# --- Django ---------------------------------------------------------------------------------------
DEBUG = env_bool("DJANGO_DEBUG", default=False)
SECRET_KEY = env_secret("DJANGO_SECRET_KEY")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env_origins("CSRF_TRUSTED_ORIGINS", wildcard=True)
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "corsheaders",
    "knox",
    "axes",
    "api",
    "monitoring",
    "ml",
]

MIDDLEWARE = [
    "api.middleware.RequestIdMiddleware",
    "api.instruments.InstrumentsMiddleware",
    "api.middleware.HardeningMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "monitoring.admin.middleware.AdminAuditMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

STATIC_URL = "static/"
# The few files of the admin are served from the packages themselves: nothing to collect.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    # No demand on a password: Django tells those here, and nobody else, that one has changed.
    {"NAME": "api.authentication.TokensEndWithPassword"},
]

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
# A session ends when nobody has used it for a while.
SESSION_COOKIE_AGE = 60 * env_whole("SESSION_IDLE_MINUTES", 15, low=1, high=720)
SESSION_ENGINE = "config.sessions"
SECURE_HSTS_SECONDS = 0 if DEBUG else int(timedelta(days=365).total_seconds())
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEBUG
SECURE_SSL_REDIRECT = env_bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
# How many proxies in front of us each add an address to X-Forwarded-For; what a caller wrote there
# before them is never believed.
TRUSTED_PROXIES = env_whole("TRUSTED_PROXIES", 0, low=0, high=10)
# Only a proxy that sets this header itself may be trusted with it.
if env_bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Nothing is loaded from elsewhere, no script or style stands in a page, no page stands in a frame.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
CSRF_FAILURE_VIEW = "api.auth_views.form_refused"
# Pages of these addresses may call the API with a token; a cookie never crosses.
CORS_ALLOWED_ORIGINS = env_origins("CORS_ALLOWED_ORIGINS")
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_METHODS = ["GET", "POST"]
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "idempotency-key", "if-none-match", "x-acting-user",
]  # fmt: skip
CORS_EXPOSE_HEADERS = ["ETag", "Idempotency-Replayed", "Retry-After", "X-Request-ID"]
# Five wrong passwords for one name from one address lock that name there for a quarter of an hour;
# whoever guesses locks out only themselves.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
# Who keeps trying while a name is locked does not lock it for longer.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_HANDLER = "api.authentication.LoginAttempts"
AXES_USERNAME_CALLABLE = "api.authentication.name_hashed"
AXES_CLIENT_IP_CALLABLE = "api.addresses.client_address"
AXES_LOCKOUT_CALLABLE = "api.auth_views.locked_out"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# --- database -------------------------------------------------------------------------------------
_DATABASE_URL = env_url(
    "DATABASE_URL",
    f"sqlite:///{VAR_DIR / 'db.sqlite3'}",
    schemes=("postgres", "postgresql", "sqlite"),
)
DATABASES = {"default": environ.Env.db_url_config(_DATABASE_URL)}
# An answer is given when its own row is committed, not when a whole request is.
DATABASES["default"]["ATOMIC_REQUESTS"] = False
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    VAR_DIR.mkdir(exist_ok=True)
    # Measured with 8 writers: any other mode answers "database is locked" under load.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    DATABASES["default"] |= {
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 2, **DATABASES["default"].get("OPTIONS", {})},
    }

# The role which the owner of the tables gives to the service; grant_application_role reads it.
_APPLICATION_DATABASE_URL = env_url(
    "APPLICATION_DATABASE_URL", "", schemes=("postgres", "postgresql")
)
APPLICATION_DATABASE = (
    environ.Env.db_url_config(_APPLICATION_DATABASE_URL) if _APPLICATION_DATABASE_URL else {}
)

# SQLite passes over the extra columns of an index, which cost it only speed.
SILENCED_SYSTEM_CHECKS = ["models.W040"]

# --- Redis and Celery -----------------------------------------------------------------------------
REDIS_URL = env_url("REDIS_URL", "", schemes=("redis", "rediss"))
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
}
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_TASK_ALWAYS_EAGER = not REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 600
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "socket_timeout": 5}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Training needs the key that signs and more memory than an answer: a worker of its own does it.
CELERY_TASK_ROUTES = {"monitoring.tasks.retrain_model": {"queue": "training"}}
RETRAIN_AFTER_ALERT = env_bool("RETRAIN_AFTER_ALERT", default=False)
RETRAIN_AFTER_LABELS = env_whole("RETRAIN_AFTER_LABELS", 0, low=0, high=10_000_000)
_SCHEDULES = {
    "check_accuracy": env_cron("ACCURACY_CHECK_CRON", "15 5 * * *"),
    "check_drift": env_cron("DRIFT_CHECK_CRON", "30 5 * * *"),
    "watch_runs": crontab(minute="5"),
    "deliver_alerts": crontab(minute="*/5"),
    "prune_logs": env_cron("PRUNE_CRON", "45 2 * * *"),
    "retrain_model": env_cron("RETRAIN_CRON"),
    "retrain_when_due": (
        crontab(minute="45") if RETRAIN_AFTER_ALERT or RETRAIN_AFTER_LABELS else None
    ),
}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    name.replace("_", "-"): {"task": f"monitoring.tasks.{name}", "schedule": schedule}
    for name, schedule in _SCHEDULES.items()
    if schedule is not None
} | {"resume-batches": {"task": "api.tasks.resume_batches", "schedule": crontab()}}

# --- API ------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "api.authentication.TokenAuthentication",
        "api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["api.permissions.RolePermission"],
    "DEFAULT_THROTTLE_CLASSES": ["api.limits.ClientRateThrottle"],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PARSER_CLASSES": ["api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "api.negotiation.AlwaysJSON",
    "EXCEPTION_HANDLER": "api.errors.problem_response",
    "UNAUTHENTICATED_USER": None,
    # A key that no request can hold, since the parser refuses NUL.
    "NON_FIELD_ERRORS_KEY": "\x00",
}
# A service account holds two, so that one can be replaced before it ends.
LIVE_TOKENS = 2
REST_KNOX = {"TOKEN_TTL": timedelta(days=90), "AUTH_HEADER_PREFIX": "Token"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Triage service",
    "VERSION": "0.1.0",
    "DESCRIPTION": (
        "How soon must this patient be seen? A model and a clinical rule engine answer together, "
        "and every answer is on record. It supports a clinician's decision and never replaces it. "
        "It is not certified or cleared as a medical device, and not for clinical use without "
        "local approval."
    ),
    "LICENSE": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "OAS_VERSION": "3.1.1",
    # What is used most comes first.
    "TAGS": [
        {"name": name}
        for name in ("triage", "batches", "predictions", "models", "monitoring", "auth")
    ],
    "SCHEMA_PATH_PREFIX": "/api/(v1|ml)/",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": False},
    "PREPROCESSING_HOOKS": ["api.schema.under_api"],
    # A word list stands where it is used.
    "POSTPROCESSING_HOOKS": [],
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
}
# More parameters than fit into a line that gunicorn takes: no address is refused before a view
# could say what is wrong with it.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000
# The parser refuses a larger body before it is read; see api.parsers.
MAX_BODY_BYTES = 64 * 1024
MAX_BULK_BYTES = 4 * 1024 * 1024
MAX_BATCH_BYTES = 32 * 1024 * 1024
BATCH_MAX_ROWS = env_whole("BATCH_MAX_ROWS", 10_000, low=1, high=1_000_000)
RATE_LIMIT = env_whole("RATE_LIMIT", 1_200, low=1, high=1_000_000)
LOGIN_RATE_LIMIT = env_whole("LOGIN_RATE_LIMIT", 20, low=1, high=10_000)
# Asked of whoever reads /metrics, beside the accounts that may; unset, only those.
METRICS_TOKENS = env_secrets("METRICS_TOKENS")

# --- triage ---------------------------------------------------------------------------------------
# Read by ml.processes where it decides whether to load the model at start-up.
env_word("TRIAGE_LOAD", "", ("", "always", "lazy", "never"))
MODEL_STORE = Path(env_text("MODEL_STORE", str(VAR_DIR / "models")))
# The trainer alone holds the key that signs; servers hold the public ones.
MODEL_SIGNING_KEY = env_signing_key("MODEL_SIGNING_KEY")
MODEL_PUBLIC_KEYS = env_public_keys("MODEL_PUBLIC_KEYS")
if MODEL_SIGNING_KEY and not MODEL_PUBLIC_KEYS:
    MODEL_PUBLIC_KEYS = [MODEL_SIGNING_KEY.public_key()]
if not MODEL_PUBLIC_KEYS and not DEBUG:
    raise SettingError(
        "MODEL_PUBLIC_KEYS is not set (give it as MODEL_PUBLIC_KEYS or in a file as "
        "MODEL_PUBLIC_KEYS_FILE)."
    )
PATIENT_ID_KEY = env_secret("PATIENT_ID_KEY").encode()
ASSIGNMENT_KEY = env_secret("ASSIGNMENT_KEY").encode()
# Keys that pseudonyms were once made with: a patient is still found under them.
PATIENT_ID_OLD_KEYS = [key.encode() for key in env_secrets("PATIENT_ID_OLD_KEYS")]
INTAKE_KEYS = [key.strip() for key in env_secret("INTAKE_KEYS").split(",") if key.strip()]
try:
    for _key in INTAKE_KEYS:
        Fernet(_key)
except ValueError:
    raise SettingError("INTAKE_KEYS must be comma-separated Fernet keys.") from None
_KEYS = [SECRET_KEY.encode(), PATIENT_ID_KEY, ASSIGNMENT_KEY, *map(str.encode, INTAKE_KEYS)]
if len(set(_KEYS)) < len(_KEYS):
    raise SettingError(
        "DJANGO_SECRET_KEY, PATIENT_ID_KEY, ASSIGNMENT_KEY and INTAKE_KEYS must all differ."
    )

CONFIDENCE_THRESHOLD = (
    env_number("CONFIDENCE_THRESHOLD", 0.60, low=0, high=1)
    if env_text("CONFIDENCE_THRESHOLD")
    else None
)
ACCURACY_THRESHOLD = env_number("ACCURACY_THRESHOLD", 0.75, low=0, high=1)
ACCURACY_MIN_LABELS = env_whole("ACCURACY_MIN_LABELS", 30, low=1, high=1_000_000)
LABEL_MATURITY_DAYS = env_whole("LABEL_MATURITY_DAYS", 1, low=0, high=365)
# The share of answers not urgent enough that is taken to be usual; None: the version's own.
UNDER_TRIAGE_EXPECTED = (
    env_number("UNDER_TRIAGE_EXPECTED", 0.05, low=0.001, high=0.5)
    if env_text("UNDER_TRIAGE_EXPECTED")
    else None
)
AUDIT_SHARE = env_number("AUDIT_SHARE", 0.02, low=0, high=1)
LATENCY_WARNING_MS = env_number("LATENCY_WARNING_MS", 250, low=1, high=60_000)
DRIFT_WINDOW_DAYS = env_whole("DRIFT_WINDOW_DAYS", 7, low=1, high=90)
DRIFT_MIN_ROWS = env_whole("DRIFT_MIN_ROWS", 200, low=50, high=1_000_000)
SITE_TIME_ZONE = env_zone("SITE_TIME_ZONE", "UTC")
# What a candidate learns from beside the log, which alone may be too small or too like itself.
RETRAIN_BASE = env_word("RETRAIN_BASE", "synthetic", ("synthetic", "ktas", "nhamcs", "csv"))
RETRAIN_BASE_PATH = env_text("RETRAIN_BASE_PATH")
if RETRAIN_BASE == "csv" and not RETRAIN_BASE_PATH:
    raise SettingError("RETRAIN_BASE_PATH is not set, and RETRAIN_BASE is csv.")
TRIAGE_DATA_DIR = Path(env_text("TRIAGE_DATA_DIR", str(BASE_DIR / "data")))

# --- retention ------------------------------------------------------------------------------------
INTAKE_RETENTION_DAYS = env_whole("INTAKE_RETENTION_DAYS", 180, low=1, high=36_500)
LOG_RETENTION_DAYS = env_whole("LOG_RETENTION_DAYS", 730, low=1, high=36_500)
BATCH_RETENTION_DAYS = env_whole("BATCH_RETENTION_DAYS", 7, low=1, high=365)
ACCESS_RETENTION_DAYS = env_whole("ACCESS_RETENTION_DAYS", 2_190, low=1, high=36_500)
if INTAKE_RETENTION_DAYS > LOG_RETENTION_DAYS:
    raise SettingError("INTAKE_RETENTION_DAYS must not be above LOG_RETENTION_DAYS.")

# --- alerts ---------------------------------------------------------------------------------------
ALERT_EMAILS = env_list("ALERT_EMAILS")
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env_text("ALERT_FROM_EMAIL", "triage@localhost")
globals().update(
    environ.Env.email_url_config(
        env_url(
            "EMAIL_URL",
            "consolemail://" if DEBUG else "smtp://localhost:25",
            schemes=("smtp", "smtp+tls", "smtp+ssl", "consolemail", "filemail"),
        )
    )
)
EMAIL_TIMEOUT = 10
ALERT_WEBHOOK_URL = env_url("ALERT_WEBHOOK_URL", "", schemes=("https", "http"))
ALERT_WEBHOOK_SECRET = env_secret("ALERT_WEBHOOK_SECRET").encode() if ALERT_WEBHOOK_URL else b""
# Called every hour while the newest checks are on record; whoever is there raises the alarm when
# nothing comes.
HEARTBEAT_URL = env_url("HEARTBEAT_URL", "", schemes=("https", "http"))

LOGGING = logging_config(
    level=env_word("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
)
LOGGING_CONFIG = "config.logs.configure"
