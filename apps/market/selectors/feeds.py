"""Feeds: stored bars replayed as if they were closing now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apps.core.errors import NotFound
from apps.market.models import FeedSession, Instrument

PERPETUAL = "perpetual"


@dataclass(frozen=True, slots=True)
class FeedState:
    """How a feed stands. ``position_at`` is the open of the last bar that was handed out."""

    id: int
    name: str
    universe: str
    universe_id: int
    dataset: str
    dataset_id: int
    calendar: str
    symbols: tuple[str, ...]
    timeframe: str
    price_mode: str
    start_at: datetime
    position_at: datetime | None
    bars_done: int
    bars_total: int
    seconds_per_bar: float
    status: str
    epoch: int
    updated_at: datetime

    @property
    def progress(self) -> float:
        """Share of the stored bars handed out, 0 to 1."""
        return self.bars_done / self.bars_total if self.bars_total else 0.0


@dataclass(frozen=True, slots=True)
class InstrumentFacts:
    """Which of some symbols are perpetual contracts, and of which sector each is, where known."""

    perpetuals: frozenset[str]
    sectors: dict[str, str]


def instrument_facts(dataset_id: int, symbols: Iterable[str]) -> InstrumentFacts:
    """Return what limits have to know of a dataset's instruments, in one query."""
    rows = Instrument.objects.filter(dataset_id=dataset_id, symbol__in=list(symbols))
    found = list(rows.values_list("symbol", "kind", "sector"))
    return InstrumentFacts(
        frozenset(symbol for symbol, kind, _ in found if kind == PERPETUAL),
        {symbol: sector for symbol, _, sector in found if sector},
    )


def list_running_feeds() -> list[FeedState]:
    """Return the feeds that a stream process has to drive."""
    rows = FeedSession.objects.filter(status=FeedSession.Status.RUNNING)
    return [state_of(row) for row in rows.select_related("universe__dataset").order_by("id")]


def list_feeds() -> list[FeedState]:
    """Return every feed; they are shared by all teams."""
    rows = FeedSession.objects.select_related("universe__dataset").order_by("id")
    return [state_of(row) for row in rows]


def feed_state(name: str) -> FeedState:
    """Return a feed by name. Raises ``NotFound`` naming those that exist."""
    row = FeedSession.objects.select_related("universe__dataset").filter(name=name).first()
    if row is None:
        known = ", ".join(FeedSession.objects.values_list("name", flat=True).order_by("name"))
        message = f"There is no feed {name!r}; there are {known or 'none: load the sample'}."
        raise NotFound(message, code="feed.unknown")
    return state_of(row)


def get_feed(feed_id: int) -> FeedState:
    """Return a feed by id. Raises ``NotFound``."""
    row = FeedSession.objects.select_related("universe__dataset").filter(pk=feed_id).first()
    if row is None:
        raise NotFound(f"There is no feed {feed_id}.", code="feed.unknown")
    return state_of(row)


def state_of(row: FeedSession) -> FeedState:
    """Return a row as a state."""
    universe = row.universe
    return FeedState(
        id=row.pk,
        name=row.name,
        universe=universe.name,
        universe_id=universe.pk,
        dataset=universe.dataset.name,
        dataset_id=universe.dataset_id,
        calendar=universe.dataset.calendar,
        symbols=tuple(universe.symbols),
        timeframe=row.timeframe,
        price_mode=row.price_mode,
        start_at=row.start_at,
        position_at=row.position_at,
        bars_done=row.bars_done,
        bars_total=row.bars_total,
        seconds_per_bar=row.seconds_per_bar,
        status=str(row.status),
        epoch=row.epoch,
        updated_at=row.updated_at,
    )
