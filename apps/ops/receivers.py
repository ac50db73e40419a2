"""What ops does about troubles that other apps find."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string

RAISE = "apps.ops.services.raise_alert"
END = "apps.ops.services.end_alert"


def on_trouble(sender: Any, signal: Any, **facts: Any) -> None:  # noqa: ARG001 what signals pass
    """Store an alert. Every process listens; the services are loaded once there is trouble."""
    import_string(RAISE)(**facts)


def on_trouble_over(sender: Any, signal: Any, **facts: Any) -> None:  # noqa: ARG001
    """End the alert."""
    import_string(END)(**facts)
