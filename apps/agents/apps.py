"""Registers the app."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    """Who works by itself."""

    name = "apps.agents"
    label = "agents"
    default_auto_field = "django.db.models.BigAutoField"
