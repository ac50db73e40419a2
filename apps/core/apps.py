"""Registers the app."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """The tools every app uses."""

    name = "apps.core"
    label = "core"
    default_auto_field = "django.db.models.BigAutoField"
