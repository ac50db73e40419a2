"""Registers the app."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """One look."""

    name = "apps.dashboard"
    label = "dashboard"
    default_auto_field = "django.db.models.BigAutoField"
