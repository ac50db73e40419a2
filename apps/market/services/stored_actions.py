"""Dividends and splits as they are stored, as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from apps.market.kernel.columns import Actions
from apps.market.kernel.periods import micros
from apps.market.models import Action


def read_actions(instrument_ids: Sequence[int]) -> dict[int, Actions]:
    """Return the stored actions of each instrument, one entry per day."""
    by_day: dict[int, dict[int, list[float]]] = {pk: {} for pk in instrument_ids}
    rows = Action.objects.filter(instrument_id__in=instrument_ids).order_by("on")
    for pk, on, kind, value in rows.values_list("instrument_id", "on", "kind", "value"):
        day = by_day[pk].setdefault(micros(on), [0.0, 1.0])
        day[0 if kind == Action.Kind.DIVIDEND else 1] = value
    return {
        pk: Actions(
            np.array(list(days), np.int64),
            np.array([day[0] for day in days.values()], np.float64),
            np.array([day[1] for day in days.values()], np.float64),
        )
        for pk, days in by_day.items()
    }
