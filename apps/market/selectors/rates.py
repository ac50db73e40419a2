"""The way from one currency to another: which pairs, where their bars are, what they give."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.core.kernel.timeframes import seconds_of
from apps.market import store
from apps.market.kernel import currencies
from apps.market.kernel.periods import EARLIEST
from apps.market.kernel.resample import MICROS
from apps.market.models import Series

DAY = "1d"


@dataclass(frozen=True, slots=True)
class Way:
    """From ``base`` to ``quote`` along pairs, the series of each with its stamp."""

    base: str
    quote: str
    path: tuple[currencies.Step, ...]
    series: tuple[tuple[int, UUID], ...]

    @property
    def words(self) -> str:
        """The pairs, for people."""
        return " ".join(step.pair for step in self.path)


def find_way(team_id: int | None, base: str, quote: str) -> Way:
    """Return how to get from one currency to another. Raises ``Invalid`` (``fx.no_path``)."""
    found = _pairs(team_id)
    path = currencies.find_path(found, base, quote)
    if path is None:
        message = (
            f"No currency pairs lead from {base} to {quote}; there are "
            f"{', '.join(sorted(found)) or 'none'}. Upload or ingest the pair."
        )
        raise Invalid(message, code="fx.no_path", details={"base": base, "quote": quote})
    return Way(base, quote, tuple(path), tuple(found[step.pair] for step in path))


def rates_on(way: Way, at: NDArray[np.int64], known: datetime | None) -> NDArray[np.float64]:
    """Return what one unit of the way's base is worth at each time; NaN where nothing says."""
    ids = {step.pair: key for step, (key, _) in zip(way.path, way.series, strict=True)}
    until = int(at.max(initial=EARLIEST))
    bars = store.read_bars(list(ids.values()), EARLIEST, until, known) if ids else {}
    none = (np.empty(0, np.int64), np.empty(0))
    closes = {
        pair: (bars[key].ts, bars[key].close) if key in bars else none for pair, key in ids.items()
    }
    length = seconds_of(DAY) * MICROS
    return currencies.rate_along(list(way.path), closes, at, length=length)


def refuse_gap(way: Way, ts: int) -> Invalid:
    """Return the refusal of a time at which a rate is not known."""
    when = np.datetime64(int(ts), "us").astype("M8[D]")
    message = (
        f"There is no rate of {way.base} in {way.quote} on {when} nor in the week before; "
        f"the way is {way.words}. Ingest the missing days."
    )
    return Invalid(message, code="fx.missing", details={"base": way.base, "quote": way.quote})


def _pairs(team_id: int | None) -> dict[str, tuple[int, UUID]]:
    """Return the daily series of each pair and its stamp; the team's own wins."""
    mine = Q(instrument__dataset__team_id=team_id) if team_id else Q(pk=None)
    rows = Series.objects.filter(
        mine | Q(instrument__dataset__team=None), instrument__kind="fx", timeframe=DAY
    ).order_by("instrument__dataset__team_id")
    found: dict[str, tuple[int, UUID]] = {}
    for symbol, key, stamp in rows.values_list("instrument__symbol", "id", "stamp"):
        found.setdefault(symbol, (key, stamp))
    return found
