"""The embedded lab on one machine."""

from quantsite.settings.base import *

ENVIRONMENT = "lab"
# Commands that need no secrets (collectstatic, metrics on a file) run before the lab made any.
SECRET_KEY = SECRET_KEY or "before-the-first-start"
