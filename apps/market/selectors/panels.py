"""Bars as a panel: the one read that research, risk and trading share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from apps.core.errors import Invalid, NotFound
from apps.core.kernel.hashing import digest_json
from apps.core.kernel.timeframes import seconds_of
from apps.market import store
from apps.market.kernel import adjust
from apps.market.kernel.bars import FIELDS, Panel
from apps.market.kernel.columns import Columns
from apps.market.kernel.grid import last_in_bars, lay_out, places, sum_into_bars, time_axis
from apps.market.kernel.periods import (
    EARLIEST,
    LATEST,
    Moment,
    bounds,
    known_at,
    micros,
    moment_of,
)
from apps.market.kernel.resample import LADDER, MICROS, resample
from apps.market.models import Action, Dataset, Series
from apps.market.selectors.accruals import (
    ACTIONS,
    RATES_TO_BASE,
    base_of,
    lay_actions,
    lay_rates,
    ways_of,
)
from apps.market.selectors.locations import Found, locate
from apps.market.selectors.rates import Way
from apps.market.selectors.universes import UniverseView, get_universe

Factors = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]
# Rates are summed up within a bar; of levels the last one counts.
RATES = ("funding",)
LEVELS = ("open_interest", "long_short_ratio")
FIGURES = (*RATES, *LEVELS)
SECTOR = "sector"
INPUTS = (*FIGURES, *ACTIONS, RATES_TO_BASE, SECTOR)
NEIGHBOURS = 2 * 86_400 * MICROS
# Part of the key of what is kept: another number when the same bars give another panel.
LAYOUT = 2


@dataclass(frozen=True, slots=True)
class _Question:
    """Everything that decides which figures a panel holds."""

    found: tuple[Found, ...]
    timeframe: str
    price_mode: str
    low: int
    high: int
    extras: tuple[str, ...]
    as_of: datetime | None
    by_server: bool = False
    ways: tuple[Way | None, ...] = ()

    @property
    def key(self) -> str:
        """Return what the answer is kept under; the stamps change with the data."""
        series = [
            [item.symbol, item.series_id, str(item.stamp), item.calendar] for item in self.found
        ]
        return digest_json(
            {
                "layout": LAYOUT,
                "series": series,
                "sources": [item.timeframe for item in self.found],
                "timeframe": self.timeframe,
                "price_mode": self.price_mode,
                "between": [str(self.low), str(self.high)],
                "extras": list(self.extras),
                "as_of": self.as_of and self.as_of.isoformat(),
                "rates": [
                    way and [way.words, way.quote, *(str(stamp) for _, stamp in way.series)]
                    for way in self.ways
                ],
                "sectors": [item.sector for item in self.found] if SECTOR in self.extras else [],
            }
        )

    @property
    def series_ids(self) -> tuple[int, ...]:
        """Return the series that are read, in column order."""
        return tuple(item.series_id for item in self.found)

    @property
    def stamps(self) -> dict[int, UUID]:
        """Return the stamp of every series that is read, those of currency pairs too."""
        pairs = [pair for way in self.ways if way for pair in way.series]
        return {item.series_id: item.stamp for item in self.found} | dict(pairs)


def read_panel(
    *,
    team_id: int | None,
    timeframe: str = "",
    start: Moment = None,
    end: Moment = None,
    universe: str | UniverseView | None = None,
    instruments: Sequence[str] | None = None,
    price_mode: str = "total_return",
    inputs: Sequence[str] = (),
    dataset: str = "",
    as_of: Moment = None,
    cached: bool = False,
    by_server: bool = False,
    currency: str = "",
) -> Panel:
    """Return the bars of a universe, or of instruments by symbol, on one time axis.

    Parameters
    ----------
    team_id
        Whose datasets may be read, beside the shared ones.
    timeframe
        As stored, or longer: then bars are made from shorter ones. The universe's by default.
    start, end
        Dates or times, both inclusive; a date as end means the whole day. None is open.
    instruments
        Symbols, also as ``dataset:symbol``.
    inputs
        ``funding`` adds ``extras["funding"]``: the rates settled within each bar, NaN outside
        the stretch for which rates are known. ``open_interest`` and ``long_short_ratio`` add the
        last one known within each bar, NaN where there is none. ``split`` and ``dividend`` add
        what happened at each bar's open, 0 where nothing did; ``fx`` what a unit of each
        instrument's currency is worth at each close, when they are not all the same. ``sector``
        adds a number per sector, NaN where it is not known; what is stored has no versions, so
        it can't be asked ``as_of``. Names of price fields are ignored.
    dataset
        Read symbols from this dataset only.
    as_of
        Bars, dividends, splits, figures and the universe as they were known at this time; a date
        means its end. None is now.
    cached
        Ask the panel cache before the database, and keep the answer there: for reads that are
        likely to be repeated to the letter.
    by_server
        Let the server make longer bars of minutes where it can, which spares reading them: for
        what is looked at. They are the same to the bit.
    currency
        What ``fx`` counts in: by default the currency of all instruments, else dollars.

    Raises
    ------
    NotFound
        ``symbol.unknown`` (close ones are suggested), ``universe.unknown``.
    Invalid
        ``dates.reversed``, ``dates.unreadable``, ``panel.no_symbols``, ``panel.no_bars``,
        ``price_mode.unknown``, ``timeframe.unknown``, ``inputs.unknown``, ``fx.no_path``,
        ``fx.missing``, ``panel.mixed_price_modes``, ``inputs.no_versions``.
    """
    adjust.check_mode(price_mode)
    low, high = bounds(start, end)
    extras = _check_inputs(inputs)
    if isinstance(universe, str):
        named = universe
        universe = get_universe(team_id=team_id, name=named, as_of=as_of) if named else None
    symbols = tuple(instruments or ()) or (universe.symbols if universe else ())
    timeframe = timeframe or (universe.timeframe if universe else "1d")
    seconds_of(timeframe)
    found = locate(
        team_id=team_id,
        symbols=symbols,
        timeframe=timeframe,
        dataset=dataset,
        dataset_id=universe.dataset_id if universe and not instruments else None,
    )
    known = known_at(as_of)
    if known is not None and SECTOR in extras:
        raise _no_versions()
    base = base_of(found, currency)
    ways: tuple[Way | None, ...] = ()
    if RATES_TO_BASE in extras:
        ways = ways_of(team_id, found, base)
        extras = extras if any(ways) else [name for name in extras if name != RATES_TO_BASE]
        ways = ways if any(ways) else ()
    asked = _Question(
        tuple(found), timeframe, price_mode, low, high, tuple(extras), known, by_server, ways
    )
    laid = _kept(asked) if cached else _laid_out(asked)
    return replace(
        _panel(asked, laid),
        continuous=all(item.calendar == "24/7" for item in found),
        survivorship=_survivorship(universe, found),
        known_digest=laid.digest,
        kinds=tuple(item.kind for item in found),
        currency=base,
        also_read=tuple(sorted(asked.stamps.keys() - set(asked.series_ids))),
    )


def _panel(asked: _Question, laid: store.Laid) -> Panel:
    opened, high, low, close, volume = (laid.arrays[name] for name in FIELDS)
    return Panel(
        symbols=tuple(item.symbol for item in asked.found),
        ts=laid.ts,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        timeframe=asked.timeframe,
        price_mode=asked.price_mode,
        extras={kind: laid.arrays[kind] for kind in asked.extras},
        series_ids=asked.series_ids,
    )


def _laid_out(asked: _Question) -> store.Laid:
    """Read the bars and lay them on one axis."""
    series = _read(asked)
    axis = time_axis(series)
    at = places(axis, series)
    arrays = {name: lay_out(axis, series, name, at) for name in FIELDS}
    for kind in asked.extras:
        arrays[kind] = _extra(asked, kind, axis, series)
    return store.Laid(axis, arrays)


def _kept(asked: _Question) -> store.Laid:
    """Return the answer from the cache, else read it and keep it."""
    laid = store.find_panel(asked.key)
    if laid is not None:
        return laid
    laid = _laid_out(asked)
    # What was written meanwhile has made new stamps, and may be in what was read.
    now = dict(Series.objects.filter(pk__in=asked.stamps).values_list("pk", "stamp"))
    if now != asked.stamps:
        return laid
    laid = replace(laid, digest=_panel(asked, laid).digest)
    store.keep_panel(asked.key, laid)
    return laid


def _check_inputs(inputs: Sequence[str]) -> list[str]:
    extras = [name for name in dict.fromkeys(inputs) if name not in FIELDS]
    for name in extras:
        if name not in INPUTS:
            message = f"{name!r} is not an input; there are {', '.join((*FIELDS, *INPUTS))}."
            raise Invalid(message, code="inputs.unknown", details={"field": "inputs"})
    return extras


def _survivorship(universe: UniverseView | None, found: Sequence[Found]) -> str:
    if universe and {item.symbol for item in found} <= set(universe.symbols):
        return universe.survivorship
    names = Dataset.objects.filter(pk__in={item.dataset_id for item in found})
    titles = ", ".join(sorted(names.values_list("title", flat=True)))
    return f"Instruments picked by hand from {titles}: the choice itself may flatter results."


def _read(asked: _Question) -> list[Columns]:
    ids = [item.instrument_id for item in asked.found]
    factors = _factors(ids, asked.price_mode, asked.as_of)
    if asked.by_server and not factors and _can_be_made(asked):
        return _made(asked)
    stored = store.read_bars(asked.series_ids, asked.low, asked.high, asked.as_of)
    if not stored:
        raise _no_bars(asked)
    series: list[Columns] = []
    for item in asked.found:
        bars = stored.get(item.series_id)
        if bars is None:
            series.append(_none(stored))
            continue
        if item.instrument_id in factors:
            bars = _adjusted(bars, factors[item.instrument_id], asked.price_mode)
        complete = item.calendar == "24/7"
        series.append(resample(bars, asked.timeframe, source=item.timeframe, complete=complete))
    if not any(len(bars) for bars in series):
        raise _no_bars(asked)
    return series


def _can_be_made(asked: _Question) -> bool:
    """Whether the server makes these bars: current ones of minutes, of venues that never close."""
    return (
        asked.as_of is None
        and asked.timeframe in LADDER
        and all(item.timeframe == "1m" and item.calendar == "24/7" for item in asked.found)
    )


def _made(asked: _Question) -> list[Columns]:
    made = store.read_longer_bars(asked.series_ids, asked.timeframe, asked.low, asked.high)
    if not made:
        raise _no_bars(asked)
    return [made.get(series_id, _none(made)) for series_id in asked.series_ids]


def _none(stored: dict[int, Columns]) -> Columns:
    return next(iter(stored.values())).take(slice(0, 0))


def _no_bars(asked: _Question) -> Invalid:
    found, low, high = asked.found, asked.low, asked.high
    firsts = [item.first_at for item in found if item.first_at is not None]
    lasts = [item.last_at for item in found if item.last_at is not None]
    where = f"from {_day(low)} to {_day(high)}"
    where += f" as known at {asked.as_of:%Y-%m-%d %H:%M}" if asked.as_of else ""
    stored = f"{min(firsts):%Y-%m-%d} to {max(lasts):%Y-%m-%d}" if firsts else "none at all"
    names = ", ".join(item.symbol for item in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    message = f"{names}{more} have no bars {where}; stored are {stored}. Choose dates in there."
    return Invalid(message, code="panel.no_bars", details={"field": "start"})


def _day(ts: int) -> str:
    return (
        "the beginning" if ts <= EARLIEST else "today" if ts >= LATEST else f"{moment_of(ts):%F}"
    )


def _factors(
    instrument_ids: Sequence[int], price_mode: str, as_of: datetime | None
) -> dict[int, Factors]:
    if price_mode == "raw":
        return {}
    # Dividends outnumber splits by far and change nothing in split-adjusted prices.
    kinds = ("split",) if price_mode == "split" else ("split", "dividend")
    grouped: dict[int, list[tuple[int, float, float]]] = defaultdict(list)
    for instrument_id, on, kind, factor in store.read_factors(instrument_ids, kinds, as_of):
        split = factor if kind == Action.Kind.SPLIT else 1.0
        grouped[instrument_id].append((micros(on), split, factor))
    return {
        instrument_id: (
            np.array([event[0] for event in events], np.int64),
            np.array([event[1] for event in events]),
            np.array([event[2] for event in events]),
        )
        for instrument_id, events in grouped.items()
    }


def _adjusted(bars: Columns, factors: Factors, price_mode: str) -> Columns:
    events, splits, totals = factors
    split = adjust.back_factor(bars.ts, events, splits)
    if price_mode == "split":
        return adjust.adjusted(bars, split, split)
    return adjust.adjusted(bars, adjust.back_factor(bars.ts, events, totals), split)


def _extra(
    asked: _Question, kind: str, axis: NDArray[np.int64], series: Sequence[Columns]
) -> NDArray[np.float64]:
    if kind == RATES_TO_BASE:
        return lay_rates(
            axis, series, asked.found, asked.ways, timeframe=asked.timeframe, as_of=asked.as_of
        )
    if kind in ACTIONS:
        return lay_actions(
            axis,
            series,
            asked.found,
            kind=kind,
            price_mode=asked.price_mode,
            timeframe=asked.timeframe,
            as_of=asked.as_of,
        )
    if kind == SECTOR:
        return _sectors(asked.found, len(axis))
    return _figure(asked, kind, axis)


def _sectors(found: Sequence[Found], n_bars: int) -> NDArray[np.float64]:
    names = sorted({item.sector for item in found} - {""})
    codes = [float(names.index(item.sector)) if item.sector else np.nan for item in found]
    return np.tile(np.array(codes), (n_bars, 1))


def _no_versions() -> Invalid:
    message = "Sectors are stored as they are now: a formula that groups by them has no as_of."
    return Invalid(message, code="inputs.no_versions", details={"field": "as_of"})


def _figure(asked: _Question, kind: str, axis: NDArray[np.int64]) -> NDArray[np.float64]:
    length, found = seconds_of(asked.timeframe) * MICROS, asked.found
    ids = [item.instrument_id for item in found]
    # Neighbours tell apart "nothing settled in this bar" and "nothing is known of this bar".
    low, high = int(axis[0]) - NEIGHBOURS, int(axis[-1]) + length + NEIGHBOURS
    stored = store.read_metric(ids, kind, low, high, asked.as_of)
    nothing = (np.empty(0, np.int64), np.empty(0))
    into_bars = last_in_bars if kind in LEVELS else sum_into_bars
    columns = [into_bars(axis, *stored.get(item.instrument_id, nothing), length) for item in found]
    return np.ascontiguousarray(np.stack(columns, axis=1))


def read_figures(
    *,
    team_id: int | None,
    dataset: str,
    kind: str,
    start: Moment = None,
    end: Moment = None,
    as_of: Moment = None,
) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return times and values of a figure by symbol: factor returns, funding rates.

    Raises
    ------
    NotFound
        ``dataset.unknown``.
    """
    low, high = bounds(start, end)
    place = Dataset.objects.filter(Q(team_id=team_id) | Q(team=None), name=dataset).first()
    if place is None:
        raise NotFound(f"There is no dataset {dataset!r}.", code="dataset.unknown")
    names = dict(place.instruments.values_list("id", "symbol"))
    found = store.read_metric(list(names), kind, low, high, known_at(as_of))
    return {names[instrument_id]: pair for instrument_id, pair in found.items()}
