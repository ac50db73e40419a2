"""Registers the app."""

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    """Who agreed."""

    name = "apps.approvals"
    label = "approvals"
    default_auto_field = "django.db.models.BigAutoField"
