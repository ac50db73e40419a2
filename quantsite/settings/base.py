"""Settings shared by every environment."""

from __future__ import annotations

import importlib.util
import logging
import os
from pathlib import Path

from quantsite import env
from quantsite.settings.celery import *
from quantsite.settings.database import DATABASES as DATABASES
from quantsite.settings.database import SEQUENCER_DATABASE_URL as SEQUENCER_DATABASE_URL
from quantsite.settings.logging import LOGGING as LOGGING
from quantsite.settings.logging import LOGS_TO as LOGS_TO
from quantsite.settings.plugs import *

BASE_DIR = env.BASE_DIR
LAB_HOME = env.lab_home()
SECRET_KEY = env.secret("SECRET_KEY")
SEAL_KEY = env.secret("SEAL_KEY")
DEBUG = False
ALLOWED_HOSTS = [h for h in env.text("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",") if h]
CSRF_TRUSTED_ORIGINS = [o for o in env.text("CSRF_TRUSTED_ORIGINS").split(",") if o]
SITE_URL = env.text("SITE_URL", f"http://localhost:{env.number('PORT', 8000)}")
ENVIRONMENT = "lab"
METRICS_TOKEN = env.text("METRICS_TOKEN")
AUDIT_ORIGIN = env.text("AUDIT_ORIGIN", "quantsite/audit")
# While an event waits longer than this for its place in the ledger, nothing is approved.
LEDGER_LATE_SECONDS = 60.0
AUDIT_KEY_FILE = env.text("AUDIT_KEY_FILE", str(LAB_HOME / "secrets" / "audit_signing_key"))
# The key as PEM, in place of the file; and the one before it, which hands over at the next start.
# env.text is not asked: AUDIT_KEY_FILE names a file that the sequencer makes.
AUDIT_KEY = os.environ.get("AUDIT_KEY", "")
AUDIT_KEY_BEFORE = os.environ.get("AUDIT_KEY_BEFORE", "")
AUDIT_PUBLIC_KEY_FILE = LAB_HOME / "audit_public_key"
AUDIT_WITNESS_FILE = LAB_HOME / "audit_checkpoint"
# A backup is made and restored for trial this often; 0 for never.
RESTORE_DRILL_HOURS = env.number("RESTORE_DRILL_HOURS", 24)
SAMPLE_DATA = BASE_DIR / "data" / "sample"
# The worker ends a batch of a scan that is not done by then, whatever it is doing.
SCAN_BATCH_SECONDS = env.number("SCAN_BATCH_SECONDS", 30)
TELEGRAM_API_URL = env.text("TELEGRAM_API_URL", "https://api.telegram.org")
NOTICES_TO_PRIVATE_HOSTS = env.flag("NOTICES_TO_PRIVATE_HOSTS", default=True)
NOTICES_IN_THE_CLEAR = True
# Runs are mirrored there when it is set; the names are MLflow's own.
MLFLOW_TRACKING_URI = env.text("MLFLOW_TRACKING_URI")
MLFLOW_TRACKING_TOKEN = env.text("MLFLOW_TRACKING_TOKEN")
MLFLOW_TRACKING_USERNAME = env.text("MLFLOW_TRACKING_USERNAME")
MLFLOW_TRACKING_PASSWORD = env.text("MLFLOW_TRACKING_PASSWORD")
MLFLOW_IN_THE_CLEAR = True
EMAIL_SECURITY = "none"  # mail is written to files

APPS = [
    "core",
    "audit",
    "accounts",
    "approvals",
    "market",
    "risk",
    "strategies",
    "backtests",
    "forecasts",
    "trading",
    "assistant",
    "agents",
    "ops",
    "dashboard",
]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "django_htmx",
    "django_structlog",
    "django_prometheus",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    # Its pages of documentation; a process that answers no REST starts faster without.
    *(() if env.text("WITHOUT_REST") else ("ninja",)),
    *(f"apps.{app}" for app in APPS),
    "quantsite",
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "apps.core.middleware.HeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "apps.core.middleware.ProblemMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "apps.accounts.backends.ActivityMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.accounts.backends.ActorMiddleware",
    "apps.core.middleware.TextMiddleware",
    "apps.core.middleware.RestMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "quantsite.urls"
ASGI_APPLICATION = "quantsite.asgi.application"
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
                "apps.accounts.backends.page_context",
                "apps.dashboard.backends.frame_context",
            ],
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
# Length and what is guessed first; no rule says which kinds of characters a password has.
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "apps.accounts.backends.GuessedFirstValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_ADAPTER = "apps.accounts.backends.AccountAdapter"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# Wrong passwords: ten a minute from one address, five in five minutes for one account.
ACCOUNT_RATE_LIMITS = {"login": "60/m/ip", "login_failed": "10/m/ip,5/300s/key"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ADAPTER = "apps.accounts.backends.SecondFactorAdapter"
MFA_ALLOW_UNVERIFIED_EMAIL = True  # people come by invitation, not by proving an address
MFA_TOTP_ISSUER = "Quantsite"
RECOVERY_CODE_ROUNDS = 600_000  # of PBKDF2-HMAC-SHA-256, for each code
USERSESSIONS_TRACK_ACTIVITY = True
# Whether nobody gets in with a password alone.
SECOND_FACTOR_REQUIRED = env.flag("SECOND_FACTOR_REQUIRED", default=False)
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = LAB_HOME / "mail"
EMAIL_TIMEOUT = 10

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def package_folder(package: str, folder: str) -> Path:
    """Return a folder inside an installed package without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        message = f"The package {package} is not installed; run make setup."
        raise RuntimeError(message)
    return Path(spec.submodule_search_locations[0]) / folder


STATIC_URL = "/static/"
STATIC_ROOT = LAB_HOME / "static"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    ("plotly", package_folder("plotly", "package_data")),
]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "quantsite.finders.PickedFinder",
]
# The code editor: its core, completion, search, and the one language besides our own.
STATICFILES_PICKED = [
    (
        "ace",
        package_folder("django_ace", "static/django_ace/ace"),
        (
            "ace.js",
            "ext-language_tools.js",
            "ext-searchbox.js",
            "mode-python.js",
            "css/ace.css",
            "css/main-*",
        ),
    ),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_ALLOW_ALL_ORIGINS = False
MEDIA_ROOT = LAB_HOME / "media"

# Panels that were read once, as files; the oldest go when they take more. 0 keeps none.
PANEL_CACHE = LAB_HOME / "cache" / "panels"
PANEL_CACHE_MB = env.number("PANEL_CACHE_MB", 2048)
MINUTES_KEPT_DAYS = env.number("MINUTES_KEPT_DAYS", 0)  # 0: bars of a minute are kept for ever
UPLOAD_ROOT = LAB_HOME / "uploads"
UPLOAD_MAX_BYTES = env.number("UPLOAD_MAX_BYTES", 512 * 2**20)
BODY_MAX_BYTES = UPLOAD_MAX_BYTES + 2**20  # the form around a file comes on top

CACHES = {"default": {"BACKEND": "apps.core.caches.FallbackCache", "LOCATION": REDIS_URL}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
# A session ends when nobody has used it for so long, and at last after a day.
SESSION_IDLE_HOURS = env.number("SESSION_IDLE_HOURS", 8)
SESSION_MAX_HOURS = env.number("SESSION_MAX_HOURS", 24)
SESSION_COOKIE_AGE = SESSION_MAX_HOURS * 3600
# Not in a cookie, which would be one more thing to guard.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "apps.core.middleware.csrf_failure"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 2**20

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "object-src": ["'none'"],
    }
}
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False  # bound by ProblemMiddleware, at a tenth of the cost
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
WEB_THREADS = env.number("WEB_THREADS", 8)
API_RATE_PER_MINUTE = env.number("API_RATE_PER_MINUTE", 600)
