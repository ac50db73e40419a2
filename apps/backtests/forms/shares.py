"""Rows of a shared sheet, and the choices of a new link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.backtests.forms.pages import headlines, metric_rows, tail_rows
from apps.backtests.forms.run_tabs import factor_rows
from apps.backtests.kernel.sharing import SPANS


def shared_rows(sheet: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows of figures, tails and factors of a shared sheet."""
    detail = sheet["detail"]
    return {
        "headlines": headlines(detail),
        "metrics": metric_rows(detail),
        "tail": tail_rows(detail),
        "terms": factor_rows(sheet["factors"]),
    }


def share_choices() -> list[dict[str, Any]]:
    """Return how long a link may be good for."""
    return [{"hours": hours, "label": label, "chosen": hours == 168} for hours, label in SPANS]
