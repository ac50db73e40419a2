"""Registers the app."""

from django.apps import AppConfig


class StrategiesConfig(AppConfig):
    """What idea."""

    name = "apps.strategies"
    label = "strategies"
    default_auto_field = "django.db.models.BigAutoField"
