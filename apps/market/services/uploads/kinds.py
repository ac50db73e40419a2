"""What a file holds into the tables, by kind; all within the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.market import store
from apps.market.kernel.adjust import dividend_factor, split_factor
from apps.market.kernel.columns import Actions, Columns, empty_columns, no_actions
from apps.market.kernel.periods import EARLIEST, LATEST, micros, moment_of
from apps.market.models import (
    Action,
    Batch,
    Dataset,
    Instrument,
    Quarantined,
    Series,
)
from apps.market.providers.base import Fetched, Figures, Listing
from apps.market.providers.uploads import roles
from apps.market.providers.uploads.reading import Table
from apps.market.services.absorb import absorb
from apps.market.services.revisions import note_revisions

VALUES = ("open", "high", "low", "close", "volume")
CURRENCIES = "AUD CAD CHF CNY DKK EUR GBP HKD JPY KRW MXN NOK NZD PLN SEK SGD TRY USD XAU ZAR"
FX = frozenset(CURRENCIES.split())


@dataclass(slots=True)
class Tally:
    """What was stored of a file."""

    received: int = 0
    added: int = 0
    changed: int = 0
    figures: int = 0
    actions: int = 0
    reference: int = 0
    aside: int = 0
    symbols: set[str] = field(default_factory=set)
    series_ids: list[int] = field(default_factory=list)
    timeframes: set[str] = field(default_factory=set)


def store_table(
    *, table: Table, dataset: Dataset, batch: Batch, tally: Tally, now: datetime
) -> None:
    """Store what one plain file holds."""
    steps = {
        roles.BARS: _bars,
        roles.METRICS: _metrics,
        roles.ACTIONS: _actions,
        roles.MEMBERS: _members,
        roles.RENAMES: _renames,
    }
    steps[table.kind](table, dataset, batch, tally, now)


def _bars(table: Table, dataset: Dataset, batch: Batch, tally: Tally, now: datetime) -> None:
    frames = {table.names[int(c)]: frame for c, frame in table.facts["timeframes"].items()}
    fetched = list(_fetched(table, dataset))
    for frame in sorted(set(frames.values())):
        mine = [item for item in fetched if frames[item.listing.symbol] == frame]
        written = absorb(
            dataset=dataset, batch=batch, timeframe=frame, fetched=mine, now=now, judged=False
        )
        tally.received += written.received
        tally.added += written.added
        tally.changed += written.changed
        symbols = [item.listing.symbol for item in mine]
        tally.series_ids += Series.objects.filter(
            instrument__dataset=dataset, instrument__symbol__in=symbols, timeframe=frame
        ).values_list("pk", flat=True)
        tally.symbols.update(symbols)
        tally.timeframes.add(frame)
    _settle_dividends(_ids_of(dataset, tally.symbols), batch, now)
    tally.actions += table.facts.get("dividends", 0) + table.facts.get("splits", 0)
    tally.figures += sum(len(ts) for item in fetched for ts, _ in item.figures.values())
    _set_aside(table, dataset, frames, tally, now)


def _ids_of(dataset: Dataset, symbols: Collection[str]) -> list[int]:
    rows = Instrument.objects.filter(dataset=dataset, symbol__in=symbols)
    return list(rows.values_list("pk", flat=True))


def _fetched(table: Table, dataset: Dataset) -> Iterator[Fetched]:
    columns = {name: table.array(name) for name in ("ts", *VALUES)}
    figures = {name: table.array(name) for name in table.facts["figures"]}
    actions = _actions_by_symbol(table)
    for symbol, cut in table.slices("codes"):
        ts, *values = (np.array(column[cut]) for column in columns.values())
        yield Fetched(
            _listing(symbol, dataset),
            Columns(ts, *values),
            actions.get(symbol, no_actions()),
            dict(_known_figures(figures, cut, ts)),
        )


def _known_figures(
    figures: dict[str, NDArray[Any]], cut: slice, ts: NDArray[np.int64]
) -> Iterator[tuple[str, tuple[NDArray[np.int64], NDArray[np.float64]]]]:
    for name, column in figures.items():
        values = np.array(column[cut])
        keep = ~np.isnan(values)
        if keep.any():
            yield name, (ts[keep], values[keep])


def _actions_by_symbol(table: Table) -> dict[str, Actions]:
    if not table.has("action_codes"):
        return {}
    names = ("action_ts", "action_dividend", "action_split")
    ts, dividend, split = (table.array(name) for name in names)
    return {
        symbol: Actions(np.array(ts[cut]), np.array(dividend[cut]), np.array(split[cut]))
        for symbol, cut in table.slices("action_codes")
    }


def _listing(symbol: str, dataset: Dataset, kind: str = "") -> Listing:
    venue, _, name = symbol.rpartition(":")
    if not kind:
        kind = "crypto" if dataset.is_continuous else "equity"
        if len(name) == 6 and {name[:3], name[3:]} <= FX:
            kind = "fx"
    currency = name[3:] if kind == "fx" else "USD"
    return Listing(symbol=symbol, kind=kind, venue=venue[:40], currency=currency)


def _set_aside(
    table: Table, dataset: Dataset, frames: dict[str, str], tally: Tally, now: datetime
) -> None:
    rows = [
        Quarantined(
            dataset=dataset,
            symbol=row["symbol"],
            timeframe=frames.get(row["symbol"], "1d"),
            ts=moment_of(row["ts"]),
            values=row["values"],
            reason=row["reason"],
            message=row["message"],
            provider="upload",
            created_at=now,
        )
        for row in table.facts["aside"]
    ]
    Quarantined.objects.bulk_create(rows, batch_size=5000, ignore_conflicts=True)
    tally.aside += len(rows)


def _metrics(table: Table, dataset: Dataset, batch: Batch, tally: Tally, now: datetime) -> None:
    figures: dict[str, Figures] = {}
    for kind in table.facts["kinds"]:
        prefix = kind["arrays"]
        ts, value = table.array(f"{prefix}_ts"), table.array(f"{prefix}_value")
        for symbol, cut in table.slices(f"{prefix}_codes"):
            figures.setdefault(symbol, {})[kind["kind"]] = (
                np.array(ts[cut]),
                np.array(value[cut]),
            )
        tally.figures += kind["rows"]
    is_wide = not any(column["role"] == "symbol" for column in table.facts["columns"])
    fetched = [
        Fetched(
            _listing(symbol, dataset, "factor" if is_wide else ""),
            empty_columns(),
            figures=mine,
        )
        for symbol, mine in figures.items()
    ]
    absorb(dataset=dataset, batch=batch, timeframe="1d", fetched=fetched, now=now, judged=False)
    tally.symbols.update(figures)


def _actions(table: Table, dataset: Dataset, batch: Batch, tally: Tally, now: datetime) -> None:
    """Store actions without bars beside them; what is stored tells the factors of dividends."""
    found = _actions_by_symbol(table)
    instruments = _instruments(dataset, [_listing(symbol, dataset) for symbol in found])
    bars = _daily_bars([row.pk for row in instruments.values()])
    given = table.array("action_factor")
    items: list[store.Factored] = []
    for symbol, cut in table.slices("action_codes"):
        row, mine = instruments[symbol], found[symbol]
        factors = np.array(given[cut])
        known = bars.get(row.pk, empty_columns())
        totals = np.where(np.isnan(factors), _dividend_factors(known, mine), factors)
        items.append(store.Factored(row.pk, mine, split_factor(mine.split), totals))
    noted = store.write_actions(items, batch_id=batch.pk, now=now)
    note_revisions(batch=batch, changes=(), others=noted.touched, now=now)
    tally.actions += noted.given
    store.write_cards([row.pk for row in instruments.values()])
    tally.symbols.update(found)


def _dividend_factors(bars: Columns, actions: Actions) -> NDArray[np.float64]:
    """Return the factors of dividends by the close of their day; 1 where none is stored."""
    at = np.searchsorted(bars.ts, actions.ts)
    close = np.append(bars.close, np.inf)[at]
    return dividend_factor(actions.dividend, close)


def _settle_dividends(instrument_ids: Sequence[int], batch: Batch, now: datetime) -> None:
    """Give dividends that came before their bars the factor that the bars now tell.

    No revision: nobody could read across their day before.
    """
    rows = list(
        Action.objects.filter(
            instrument_id__in=instrument_ids, kind=Action.Kind.DIVIDEND, factor=1.0
        ).order_by("instrument_id", "on")
    )
    bars = _daily_bars(sorted({row.instrument_id for row in rows})) if rows else {}
    items = []
    for key, known in bars.items():
        mine = [row for row in rows if row.instrument_id == key]
        actions = Actions(
            np.array([micros(row.on) for row in mine], np.int64),
            np.array([row.value for row in mine]),
            np.ones(len(mine)),
        )
        factors = _dividend_factors(known, actions)
        items.append(store.Factored(key, actions, split_factor(actions.split), factors))
    store.write_actions(items, batch_id=batch.pk, now=now)


def _daily_bars(instrument_ids: Sequence[int]) -> dict[int, Columns]:
    rows = Series.objects.filter(instrument_id__in=instrument_ids, timeframe="1d")
    owners = dict(rows.values_list("pk", "instrument_id"))
    found = store.read_bars(list(owners), EARLIEST, LATEST) if owners else {}
    return {owners[series_id]: bars for series_id, bars in found.items()}


def _instruments(dataset: Dataset, listings: Sequence[Listing]) -> dict[str, Instrument]:
    Instrument.objects.bulk_create(
        [
            Instrument(
                dataset=dataset,
                symbol=item.symbol,
                name=item.name,
                sector=item.sector,
                kind=item.kind,
                venue=item.venue,
                currency=item.currency,
            )
            for item in listings
        ],
        ignore_conflicts=True,
    )
    found = Instrument.objects.filter(dataset=dataset, symbol__in=[x.symbol for x in listings])
    return {row.symbol: row for row in found}


def _members(table: Table, dataset: Dataset, batch: Batch, tally: Tally, now: datetime) -> None:
    spells = [
        store.Spell(row["symbol"], _day(row["joined"]), _day(row["left"]))
        for row in table.facts["members"]
    ]
    store.write_members(
        dataset_id=dataset.pk,
        batch_id=batch.pk,
        index=table.facts["index"],
        source=batch.source[:200],
        spells=spells,
        now=now,
    )
    _name_instruments(table, dataset)
    tally.reference += len(spells)
    tally.symbols.update(item.symbol for item in spells)


def _name_instruments(table: Table, dataset: Dataset) -> None:
    """Give names and sectors to the instruments that the dataset has already."""
    facts = {row["symbol"]: row for row in table.facts["members"] if row["name"] or row["sector"]}
    rows = list(Instrument.objects.filter(dataset=dataset, symbol__in=facts))
    for row in rows:
        row.name = facts[row.symbol]["name"] or row.name
        row.sector = facts[row.symbol]["sector"] or row.sector
    Instrument.objects.bulk_update(rows, ["name", "sector"], batch_size=1000)
    store.write_cards([row.pk for row in rows])


def _renames(table: Table, dataset: Dataset, batch: Batch, tally: Tally, now: datetime) -> None:
    tickers = [
        store.Ticker(row["before"], row["after"], moment_of(row["on"]).date())
        for row in table.facts["renames"]
    ]
    store.write_renames(dataset_id=dataset.pk, batch_id=batch.pk, tickers=tickers, now=now)
    tally.reference += len(tickers)
    tally.symbols.update(item.after for item in tickers)


def _day(ts: int | None) -> date | None:
    return None if ts is None else moment_of(ts).date()
