"""Configuration of backtests judged at boot."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register

from apps.backtests.selectors.mirrors import mirror_address
from apps.core.checks import TAG
from apps.core.errors import LabError


@register(TAG)
def check_mlflow(**_: Any) -> list[CheckMessage]:
    """Judge where runs are mirrored to."""
    try:
        mirror_address()
    except LabError as error:
        hint = "Set MLFLOW_TRACKING_URI to the https:// address of the server, or leave it out."
        return [Error(error.message, hint=hint, id="quantsite.E011")]
    return []
