"""Registers the app."""

from importlib import import_module

from django.apps import AppConfig


class BacktestsConfig(AppConfig):
    """How it would have gone."""

    name = "apps.backtests"
    label = "backtests"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to revisions of bars, register the checks."""
        from apps.backtests.receivers import on_revised  # noqa: PLC0415 models are loaded only now
        from apps.core.hooks import bars_revised  # noqa: PLC0415

        bars_revised.connect(on_revised, dispatch_uid="backtests.on_revised")
        import_module("apps.backtests.checks")
