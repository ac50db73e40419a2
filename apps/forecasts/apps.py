"""Registers the app."""

from django.apps import AppConfig


class ForecastsConfig(AppConfig):
    """What a model expects."""

    name = "apps.forecasts"
    label = "forecasts"
    default_auto_field = "django.db.models.BigAutoField"
