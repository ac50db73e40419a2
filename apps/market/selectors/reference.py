"""Reference data: the indices that are known, currencies in another one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from apps.core import clock
from apps.core.errors import Invalid
from apps.core.kernel.timeframes import seconds_of
from apps.market import store
from apps.market.kernel import currencies
from apps.market.kernel.periods import EARLIEST, Moment, known_at
from apps.market.kernel.resample import MICROS
from apps.market.models import Membership, Series

DAY = "1d"


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
    found = _pairs(team_id)
    path = currencies.find_path(found, base, quote)
    if path is None:
        message = (
            f"No currency pairs lead from {base} to {quote}; there are "
            f"{', '.join(sorted(found)) or 'none'}. Upload or ingest the pair."
        )
        raise Invalid(message, code="fx.no_path", details={"base": base, "quote": quote})
    ids = {step.pair: found[step.pair] for step in path}
    until = int(at.max(initial=EARLIEST))
    bars = store.read_bars(list(ids.values()), EARLIEST, until, known_at(as_of))
    none = (np.empty(0, np.int64), np.empty(0))
    closes = {
        pair: (bars[key].ts, bars[key].close) if key in bars else none for pair, key in ids.items()
    }
    rate = currencies.rate_along(path, closes, at, length=seconds_of(DAY) * MICROS)
    if np.isnan(rate).any():
        when = np.datetime64(int(at[np.isnan(rate)][0]), "us").astype("M8[D]")
        message = (
            f"There is no rate of {base} in {quote} on {when} nor in the week before; "
            f"the way is {' '.join(step.pair for step in path)}. Ingest the missing days."
        )
        raise Invalid(message, code="fx.missing", details={"base": base, "quote": quote})
    return rate


def rate_at(
    *, team_id: int, base: str, quote: str, at: datetime | None, as_of: Moment = None
) -> dict[str, Any]:
    """Return one rate with the time it holds for. Raises as ``convert`` does."""
    when = at or clock.now()
    ts = np.array([int(when.timestamp() * MICROS)], np.int64)
    rate = convert(team_id=team_id, base=base, quote=quote, at=ts, as_of=as_of)
    return {"base": base.upper(), "quote": quote.upper(), "at": when, "rate": float(rate[0])}


def _pairs(team_id: int | None) -> dict[str, int]:
    """Return the daily series of each pair; the team's own wins."""
    mine = Q(instrument__dataset__team_id=team_id) if team_id else Q(pk=None)
    rows = Series.objects.filter(
        mine | Q(instrument__dataset__team=None), instrument__kind="fx", timeframe=DAY
    ).order_by("instrument__dataset__team_id")
    found: dict[str, int] = {}
    for symbol, key in rows.values_list("instrument__symbol", "id"):
        found.setdefault(symbol, key)
    return found
