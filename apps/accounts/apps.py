"""Registers the app."""

from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who may."""

    name = "apps.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to changes of passwords, and keep recovery codes our way."""
        import_module("apps.accounts.receivers")
        import_module("apps.accounts.services.recovery_codes").install()
