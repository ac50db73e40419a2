"""Reference data: index members by day, tickers that changed, currencies in another one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
from django.db.models import F, Q
from numpy.typing import NDArray

from apps.core import clock
from apps.core.errors import Invalid, NotFound
from apps.core.kernel.timeframes import seconds_of
from apps.market import store
from apps.market.kernel import currencies
from apps.market.kernel.periods import EARLIEST
from apps.market.kernel.resample import MICROS
from apps.market.models import Membership, Rename, Series

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


def members_on(*, team_id: int, index: str, on: date) -> list[str]:
    """Return the symbols that were in an index on a day. Raises ``NotFound``."""
    known = Membership.objects.filter(_visible(team_id), index=index)
    if not known.exists():
        message = f"No members of {index!r} are known; upload them or ingest them from a provider."
        raise NotFound(message, code="index.unknown", details={"field": "index"})
    rows = known.filter(
        Q(joined_on=None) | Q(joined_on__lte=on), Q(left_on=None) | Q(left_on__gt=on)
    )
    return sorted(set(rows.values_list("symbol", flat=True)))


def list_renames(*, team_id: int, symbol: str = "") -> list[dict[str, Any]]:
    """Return ticker changes, the oldest first; of one symbol when it is named."""
    rows = Rename.objects.filter(_visible(team_id)).order_by("on", "before")
    if symbol:
        rows = rows.filter(Q(before=symbol) | Q(after=symbol))
    return [dict(row) for row in rows.values("before", "after", "on", place=F("dataset__name"))]


def symbol_on(*, team_id: int, symbol: str, on: date, dataset: str = "") -> str:
    """Return what a security that is called ``symbol`` today was called on a day."""
    rows = Rename.objects.filter(_visible(team_id), on__gt=on)
    if dataset:
        rows = rows.filter(dataset__name=dataset)
    for before, after in rows.order_by("-on").values_list("before", "after"):
        if after == symbol:
            symbol = before
    return symbol


def _visible(team_id: int) -> Q:
    return Q(dataset__team_id=team_id) | Q(dataset__team=None)


def convert(
    *, team_id: int | None, base: str, quote: str, at: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return what one unit of ``base`` is worth in ``quote`` at each time.

    Pairs of the team come before shared ones; dollar coins count as dollars.

    Parameters
    ----------
    at
        Microseconds since 1970.

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
    bars = store.read_bars(list(ids.values()), EARLIEST, int(at.max(initial=EARLIEST)))
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


def rate_at(*, team_id: int, base: str, quote: str, at: datetime | None) -> dict[str, Any]:
    """Return one rate with the time it holds for. Raises as ``convert`` does."""
    when = at or clock.now()
    ts = np.array([int(when.timestamp() * MICROS)], np.int64)
    rate = convert(team_id=team_id, base=base, quote=quote, at=ts)
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
