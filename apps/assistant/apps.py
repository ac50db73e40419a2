"""Registers the app."""

from django.apps import AppConfig


class AssistantConfig(AppConfig):
    """Who helps."""

    name = "apps.assistant"
    label = "assistant"
    default_auto_field = "django.db.models.BigAutoField"
