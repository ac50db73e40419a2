"""What the pages of market show, put together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from apps.core import clock
from apps.core.errors import Invalid
from apps.core.kernel.timeframes import SECONDS
from apps.core.plugs import list_plugs, load_plug
from apps.market.kernel.bars import PRICE_MODES, Panel
from apps.market.kernel.health import iso
from apps.market.kernel.periods import known_at, micros, moment_of, parse
from apps.market.kernel.resample import finer_than
from apps.market.selectors.feeds import list_feeds
from apps.market.selectors.figures import figure_kinds
from apps.market.selectors.health import (
    around_dict,
    bars_around,
    coverage_of,
    data_health,
    data_health_of,
    find_series,
    instrument_health,
    list_checkups,
    list_findings,
)
from apps.market.selectors.ingests import ingest_dict, list_flows, list_ingests
from apps.market.selectors.keys import ProviderView, list_vendors
from apps.market.selectors.lists import (
    InstrumentView,
    bars_of,
    get_instrument,
    list_datasets,
    list_providers,
)
from apps.market.selectors.live import list_live_feeds
from apps.market.selectors.reference import list_indices
from apps.market.selectors.trail import (
    datasets_waiting,
    list_quarantined,
    list_revisions,
    provenance_of,
    quarantine_counts,
    quarantined_dict,
    repair_source,
    revision_bars,
    revision_dict,
)
from apps.market.selectors.universes import get_universe, list_universes
from apps.market.selectors.versions import list_renames, members_on

RECENT = 10
SHOWN_ROWS = 200
MAP_ROWS = (30, 80, 140, 200)
SHOWN_BARS = {"250": "250 bars", "1000": "1 000 bars", "5000": "5 000 bars"}


def data_room(*, team_id: int, now: datetime, picked: str = "") -> dict[str, Any]:
    """Return the data hub: universes, one of them picked, and everything around them."""
    found = list_universes(team_id=team_id)
    universes: list[dict[str, Any]] = [
        {"universe": item, "health": health}
        for item, health in zip(
            found, data_health_of(team_id=team_id, universes=found), strict=True
        )
    ]
    vendors = list_vendors(team_id=team_id, now=now)
    names = {line["universe"].name: line for line in universes}
    chosen = names.get(picked) or (universes[0] if universes else None)
    return {
        "universes": universes,
        "picked": chosen,
        "datasets": list_datasets(team_id=team_id),
        "feeds": list_feeds(),
        "live_feeds": list_live_feeds(team_id=team_id, now=now),
        "live_sources": _live_sources(vendors),
        "ingests": recent_ingests(team_id=team_id),
        "revisions": [revision_dict(row) for row in list_revisions(team_id=team_id)[:RECENT]],
        "quarantine": quarantine_counts(team_id=team_id),
        "vendors": vendors,
    }


def _live_sources(vendors: Sequence[ProviderView]) -> list[tuple[str, str]]:
    """Return where live bars can come from: sections of vendors that have bars."""
    return [
        (f"{vendor.name}:{section}", f"{vendor.told.title}: {section}")
        for vendor in vendors
        if vendor.told.bars and vendor.is_ready
        for section in vendor.told.sections
    ]


def map_rows(series: int) -> int:
    """Return which height of a gap map so many symbols need."""
    return next((rows for rows in MAP_ROWS if series <= rows), MAP_ROWS[-1])


def finding_page(
    *, team_id: int, symbol: str, dataset: str = "", timeframe: str = "", at: str = ""
) -> dict[str, Any]:
    """Return a series' gaps and findings, and the bars around one of them."""
    health = instrument_health(
        team_id=team_id, symbol=symbol, dataset=dataset, timeframe=timeframe
    )
    series = find_series(
        team_id=team_id, symbol=symbol, dataset=health["dataset"], timeframe=health["timeframe"]
    )
    chosen = parse(at, "at") if at else _first_of(health)
    bars: dict[str, Any] = {}
    if chosen:
        moment = moment_of(micros(chosen))
        found = bars_around(
            team_id=team_id,
            symbol=symbol,
            dataset=health["dataset"],
            timeframe=health["timeframe"],
            at=moment,
        )
        bars = {"at": iso(micros(moment)), **around_dict(*found)}
    return {
        "health": health,
        "around": bars,
        "source": repair_source(team_id=team_id, series=series),
        "others": [item.timeframe for item in series.instrument.series.order_by("id")],
    }


def _first_of(health: dict[str, Any]) -> datetime | None:
    at = [item["at"] for item in health["findings"]] + [gap["first"] for gap in health["gaps"]]
    return datetime.fromisoformat(at[0]) if at else health["last"]


def quarantine_page(*, team_id: int, status: str = "", symbol: str = "") -> dict[str, Any]:
    """Return bars in quarantine and how many there are of each state."""
    rows = list_quarantined(team_id=team_id, status=status or "open", symbol=symbol)
    return {
        "rows": [quarantined_dict(row) for row in rows[:SHOWN_ROWS]],
        "waiting": datasets_waiting(team_id=team_id),
        "counts": quarantine_counts(team_id=team_id),
        "status": status or "open",
        "symbol": symbol,
        "most": SHOWN_ROWS,
    }


def revisions_page(*, team_id: int, batch_id: int | None = None) -> dict[str, Any]:
    """Return the last revisions, and what one of them changed bar by bar."""
    rows = [revision_dict(row) for row in list_revisions(team_id=team_id)[:SHOWN_ROWS]]
    if batch_id is None:
        return {"revisions": rows}
    return {"revisions": rows, "picked": revision_bars(team_id=team_id, batch_id=batch_id)}


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
        "findings": list_findings(team_id=team_id, name=name)[:SHOWN_ROWS],
        "map_rows": map_rows(len(universe.symbols)),
        "history": [item["score"] for item in list_checkups(team_id=team_id, name=name)][::-1],
    }


def instrument_page(
    *,
    team_id: int,
    symbol: str,
    dataset: str = "",
    timeframe: str = "",
    price_mode: str = "",
    as_of: str = "",
) -> dict[str, Any]:
    """Return an instrument, as it was known at a time, and what its chart can be switched to."""
    found = get_instrument(team_id=team_id, symbol=symbol, dataset=dataset, as_of=readable(as_of))
    stored = [item["timeframe"] for item in found.series]
    offered = [
        name for name in SECONDS if name in stored or any(f in stored for f in finer_than(name))
    ]
    modes = PRICE_MODES if found.actions else ("raw",)
    return {
        "instrument": found,
        "timeframes": offered,
        "timeframe": timeframe if timeframe in offered else (stored or ["1d"])[0],
        "price_modes": modes,
        "price_mode": price_mode if price_mode in modes else modes[:2][-1],
        "counts": SHOWN_BARS,
        "as_of": as_of if readable(as_of) else "",
        "kinds": figure_kinds(instrument_id=found.id),
        "health": instrument_health(
            team_id=team_id, symbol=symbol, dataset=found.dataset, timeframe=stored[0]
        )
        if stored
        else {},
        "stretches": provenance_of(
            team_id=team_id, symbol=symbol, dataset=found.dataset, timeframe=stored[0]
        )
        if stored
        else [],
    }


def reference_page(
    *, team_id: int, index: str = "", on: str = "", symbol: str = ""
) -> dict[str, Any]:
    """Return indices, who was in one of them on a day, and tickers that changed."""
    indices = list_indices(team_id=team_id)
    names = sorted({item["name"] for item in indices})
    chosen = index if index in names else next(iter(names), "")
    day = _day(on)
    members = members_on(team_id=team_id, index=chosen, on=day) if chosen else []
    renames = list_renames(team_id=team_id, symbol=symbol.strip().upper())
    return {
        "indices": indices,
        "names": names,
        "index": chosen,
        "on": day.isoformat(),
        "members": members,
        "renames": renames[::-1][:SHOWN_ROWS],
        "rename_count": len(renames),
        "symbol": symbol,
        "sources": [
            name
            for name in list_plugs("MARKET_PROVIDERS")
            if hasattr(load_plug("MARKET_PROVIDERS", name), "memberships")
        ],
    }


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return clock.now().date()


def readable(as_of: str) -> str | None:
    """Return a time that a person wrote into an address, or None when it is none."""
    try:
        return as_of if as_of and known_at(as_of) else None
    except Invalid:
        return None


def instrument_bars(
    *,
    team_id: int,
    symbol: str,
    dataset: str = "",
    timeframe: str = "1d",
    price_mode: str = "split",
    bars: str = "250",
    as_of: str = "",
) -> tuple[Panel, InstrumentView]:
    """Return the last bars of an instrument and the instrument, for its chart."""
    known = as_of or None
    found = get_instrument(team_id=team_id, symbol=symbol, dataset=dataset, as_of=known)
    panel = bars_of(
        team_id=team_id,
        symbol=symbol,
        timeframe=timeframe,
        price_mode=price_mode,
        dataset=found.dataset,
        as_of=known,
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
    return {
        "choices": choices,
        "ingests": recent_ingests(team_id=team_id),
        "flows": list_flows(team_id=team_id),
    }
