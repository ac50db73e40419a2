"""The lab's settings with the app that can't be upgraded to."""

from quantsite.settings.dev import *  # noqa: F403
from quantsite.settings.dev import INSTALLED_APPS as OTHERS

INSTALLED_APPS = [*OTHERS, "tests.factories.broken_upgrade"]
