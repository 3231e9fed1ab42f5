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
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
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
    "knox",
    "api",
    "monitoring",
    "ml",
]

MIDDLEWARE = [
    "api.middleware.RequestIdMiddleware",
    "api.instruments.InstrumentsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
]

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_AGE = int(timedelta(hours=12).total_seconds())
SECURE_HSTS_SECONDS = 0 if DEBUG else int(timedelta(days=365).total_seconds())
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEBUG
SECURE_SSL_REDIRECT = env_bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
# Only a proxy that sets this header itself may be trusted with it.
if env_bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

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
}

# --- API ------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "api.negotiation.AlwaysJSON",
    "EXCEPTION_HANDLER": "api.errors.problem_response",
    "UNAUTHENTICATED_USER": None,
    # A key that no request can hold, since the parser refuses NUL.
    "NON_FIELD_ERRORS_KEY": "\x00",
}
REST_KNOX = {"TOKEN_TTL": timedelta(days=90), "AUTH_HEADER_PREFIX": "Token"}
# The parser refuses a larger body before it is read; see api.parsers.
MAX_BODY_BYTES = 64 * 1024

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
