"""Registers the app."""

from django.apps import AppConfig


class StrategiesConfig(AppConfig):
    """What idea."""

    name = "apps.strategies"
    label = "strategies"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to decisions."""
        from apps.approvals.services import decided  # noqa: PLC0415 models are loaded only now
        from apps.strategies.receivers import on_decided  # noqa: PLC0415

        decided.connect(on_decided, dispatch_uid="strategies.on_decided")
