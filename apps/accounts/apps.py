"""Registers the app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who may."""

    name = "apps.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"
