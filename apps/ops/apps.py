"""Registers the app."""

from django.apps import AppConfig


class OpsConfig(AppConfig):
    """Is it alive."""

    name = "apps.ops"
    label = "ops"
    default_auto_field = "django.db.models.BigAutoField"
