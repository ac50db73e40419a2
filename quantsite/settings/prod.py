"""A team deployment behind TLS: compose or hosts of one's own."""

from pathlib import Path

from quantsite import env
from quantsite.settings.base import *

ENVIRONMENT = "prod"
NOTICES_TO_PRIVATE_HOSTS = env.flag("NOTICES_TO_PRIVATE_HOSTS", default=False)
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
