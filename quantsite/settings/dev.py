"""The embedded lab on one machine."""

from quantsite.settings.base import *

ENVIRONMENT = "lab"
# Commands that need no secrets (collectstatic, metrics on a file) run before the lab made any.
SECRET_KEY = SECRET_KEY or "before-the-first-start"
# Names by content, so that browsers may keep them; compressing plotly.js for one machine's own
# browser would cost a minute of the first start.
STORAGES = {
    **STORAGES,
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
    },
}
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True  # http://localhost
