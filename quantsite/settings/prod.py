"""A team deployment behind TLS: compose or hosts of one's own."""

from pathlib import Path
from urllib.parse import urlsplit

from quantsite import env
from quantsite.settings.base import *

ENVIRONMENT = "prod"
NOTICES_TO_PRIVATE_HOSTS = env.flag("NOTICES_TO_PRIVATE_HOSTS", default=False)
NOTICES_IN_THE_CLEAR = env.flag("NOTICES_IN_THE_CLEAR", default=False)
MLFLOW_IN_THE_CLEAR = env.flag("MLFLOW_IN_THE_CLEAR", default=False)
STATIC_ROOT = Path(env.text("STATIC_ROOT") or STATIC_ROOT)
SECOND_FACTOR_REQUIRED = env.flag("SECOND_FACTOR_REQUIRED", default=True)
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REDIRECT_EXEMPT = [r"^health(/|$)", r"^api/"]  # programs are refused, not sent on
SECURE_HSTS_SECONDS = 31536000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
# Browsers keep these to this very host, over HTTPS only.
SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken"
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
# starttls, tls or none; none is for a server on this machine (check quantsite.E007).
EMAIL_SECURITY = env.text("EMAIL_SECURITY") or (
    "none" if EMAIL_HOST in {"localhost", "127.0.0.1", "::1"} else "starttls"
)
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL_SECURITY == "starttls", EMAIL_SECURITY == "tls"
EMAIL_PORT = env.number("EMAIL_PORT", {"starttls": 587, "tls": 465}.get(EMAIL_SECURITY, 25))
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM") or f"quantsite@{urlsplit(SITE_URL).hostname}"
