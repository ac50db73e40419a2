"""Registers the app."""

from django.apps import AppConfig


class RiskConfig(AppConfig):
    """How bad."""

    name = "apps.risk"
    label = "risk"
    default_auto_field = "django.db.models.BigAutoField"
