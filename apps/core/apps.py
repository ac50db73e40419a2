"""Registers the app."""

from importlib import import_module

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """The tools every app uses."""

    name = "apps.core"
    label = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks."""
        import_module("apps.core.checks")
