"""Registers the app."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Who did what."""

    name = "apps.audit"
    label = "audit"
    default_auto_field = "django.db.models.BigAutoField"
