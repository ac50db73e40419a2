"""Settings by environment: ``QUANTSITE_ENV`` is lab (default), test or prod."""

from quantsite import env

_ENVIRONMENT = env.text("QUANTSITE_ENV", "lab")

if _ENVIRONMENT == "prod":
    from quantsite.settings.prod import *
elif _ENVIRONMENT == "test":
    from quantsite.settings.test import *
else:
    from quantsite.settings.dev import *
