"""What the pages of market show, put together."""

from __future__ import annotations

from typing import Any

from apps.market.kernel.bars import PRICE_MODES, Panel
from apps.market.kernel.resample import finer_than
from apps.market.selectors.feeds import list_feeds
from apps.market.selectors.health import coverage_of, data_health
from apps.market.selectors.lists import (
    InstrumentView,
    bars_of,
    get_instrument,
    ingest_dict,
    list_datasets,
    list_ingests,
    list_providers,
)
from apps.market.selectors.universes import get_universe, list_universes

RECENT = 10
SHOWN_BARS = {"250": "250 bars", "1000": "1 000 bars", "5000": "5 000 bars"}
OFFERED = ("1h", "4h", "1d", "1w", "1mo")


def data_room(*, team_id: int) -> dict[str, Any]:
    """Return universes with their health, datasets, feeds and the last ingestions."""
    universes = [
        {"universe": item, "health": data_health(team_id=team_id, universe=item)}
        for item in list_universes(team_id=team_id)
    ]
    return {
        "universes": universes,
        "datasets": list_datasets(team_id=team_id),
        "feeds": list_feeds(),
        "ingests": recent_ingests(team_id=team_id),
    }


def recent_ingests(*, team_id: int) -> list[dict[str, Any]]:
    """Return the team's last ingestions."""
    rows = list_ingests(team_id=team_id).order_by("-created_at", "-id")[:RECENT]
    return [ingest_dict(row) for row in rows]


def universe_page(*, team_id: int, name: str) -> dict[str, Any]:
    """Return a universe, its health, and a gap map of its symbols."""
    universe = get_universe(team_id=team_id, name=name)
    return {
        "universe": universe,
        "health": data_health(team_id=team_id, universe=universe),
        "rows": coverage_of(universe=universe, team_id=team_id),
    }


def instrument_page(
    *, team_id: int, symbol: str, dataset: str = "", timeframe: str = "", price_mode: str = ""
) -> dict[str, Any]:
    """Return an instrument and what its chart can be switched to."""
    found = get_instrument(team_id=team_id, symbol=symbol, dataset=dataset)
    stored = [item["timeframe"] for item in found.series]
    offered = [
        name for name in OFFERED if name in stored or any(f in stored for f in finer_than(name))
    ]
    modes = PRICE_MODES if found.actions else ("raw",)
    return {
        "instrument": found,
        "timeframes": offered,
        "timeframe": timeframe if timeframe in offered else (stored or ["1d"])[0],
        "price_modes": modes,
        "price_mode": price_mode if price_mode in modes else modes[:2][-1],
        "counts": SHOWN_BARS,
        "health": found.series[0]["health"] if found.series else {},
    }


def instrument_bars(
    *,
    team_id: int,
    symbol: str,
    dataset: str = "",
    timeframe: str = "1d",
    price_mode: str = "split",
    bars: str = "250",
) -> tuple[Panel, InstrumentView]:
    """Return the last bars of an instrument and the instrument, for its chart."""
    found = get_instrument(team_id=team_id, symbol=symbol, dataset=dataset)
    panel = bars_of(
        team_id=team_id,
        symbol=symbol,
        timeframe=timeframe,
        price_mode=price_mode,
        dataset=found.dataset,
    )
    count = int(bars) if bars in SHOWN_BARS else 250
    return panel.rows(max(panel.n_bars - count, 0), panel.n_bars), found


def ingest_page(*, team_id: int) -> dict[str, Any]:
    """Return what can be ingested from where, and the last ingestions."""
    choices = [
        (f"{provider['name']}:{section['name']}", f"{provider['title']}: {section['title']}")
        for provider in list_providers()
        for section in provider["sections"]
    ]
    return {"choices": choices, "ingests": recent_ingests(team_id=team_id)}
