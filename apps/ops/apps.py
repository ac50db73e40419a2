"""Registers the app."""

from django.apps import AppConfig


class OpsConfig(AppConfig):
    """Is it alive."""

    name = "apps.ops"
    label = "ops"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to troubles that other apps find."""
        from apps.core.hooks import trouble_found, trouble_over  # noqa: PLC0415 as Django asks
        from apps.ops.receivers import on_trouble, on_trouble_over  # noqa: PLC0415

        trouble_found.connect(on_trouble, dispatch_uid="ops.on_trouble")
        trouble_over.connect(on_trouble_over, dispatch_uid="ops.on_trouble_over")
