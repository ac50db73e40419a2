"""Reference data: the indices that are known, currencies in another one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from apps.core import clock
from apps.market.kernel.periods import Moment, known_at
from apps.market.kernel.resample import MICROS
from apps.market.models import Membership
from apps.market.selectors.rates import find_way, rates_on, refuse_gap


def list_indices(*, team_id: int) -> list[dict[str, Any]]:
    """Return the indices whose members by day are known."""
    rows = Membership.objects.filter(_visible(team_id)).values("index", "dataset__name")
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row["index"], row["dataset__name"])
        counts[key] = counts.get(key, 0) + 1
    return [
        {"name": index, "dataset": dataset, "spells": count}
        for (index, dataset), count in sorted(counts.items())
    ]


def _visible(team_id: int) -> Q:
    return Q(dataset__team_id=team_id) | Q(dataset__team=None)


def convert(
    *,
    team_id: int | None,
    base: str,
    quote: str,
    at: NDArray[np.int64],
    as_of: Moment = None,
) -> NDArray[np.float64]:
    """Return what one unit of ``base`` is worth in ``quote`` at each time.

    Pairs of the team come before shared ones; dollar coins count as dollars.

    Parameters
    ----------
    at
        Microseconds since 1970.
    as_of
        Rates as they were known at this time; None is now.

    Raises
    ------
    Invalid
        ``fx.no_path`` when no pairs lead there, ``fx.missing`` when one has no bar lately.
    """
    way = find_way(team_id, base, quote)
    rate = rates_on(way, at, known_at(as_of))
    if np.isnan(rate).any():
        raise refuse_gap(way, int(at[np.isnan(rate)][0]))
    return rate


def rate_at(
    *, team_id: int, base: str, quote: str, at: datetime | None, as_of: Moment = None
) -> dict[str, Any]:
    """Return one rate with the time it holds for. Raises as ``convert`` does."""
    when = at or clock.now()
    ts = np.array([int(when.timestamp() * MICROS)], np.int64)
    rate = convert(team_id=team_id, base=base, quote=quote, at=ts, as_of=as_of)
    return {"base": base.upper(), "quote": quote.upper(), "at": when, "rate": float(rate[0])}
