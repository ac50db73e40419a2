"""Registers the app."""

from django.apps import AppConfig


class TradingConfig(AppConfig):
    """What we really do."""

    name = "apps.trading"
    label = "trading"
    default_auto_field = "django.db.models.BigAutoField"
