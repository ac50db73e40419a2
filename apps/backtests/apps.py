"""Registers the app."""

from django.apps import AppConfig


class BacktestsConfig(AppConfig):
    """How it would have gone."""

    name = "apps.backtests"
    label = "backtests"
    default_auto_field = "django.db.models.BigAutoField"
