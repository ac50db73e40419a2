"""Bars as a panel: the one read that research, risk and trading share."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from apps.core.errors import Invalid, NotFound
from apps.core.kernel.timeframes import seconds_of
from apps.market import store
from apps.market.kernel import adjust
from apps.market.kernel.bars import FIELDS, Panel
from apps.market.kernel.columns import Columns
from apps.market.kernel.grid import lay_out, sum_into_bars, time_axis
from apps.market.kernel.periods import EARLIEST, LATEST, Moment, bounds, micros, moment_of
from apps.market.kernel.resample import MICROS, finer_than, resample
from apps.market.models import Action, Dataset, Instrument, Series
from apps.market.selectors.universes import UniverseView, get_universe

Factors = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]
FIGURES = ("funding",)
NEIGHBOURS = 2 * 86_400 * MICROS


@dataclass(frozen=True, slots=True)
class Found:
    """Where the bars of a symbol are stored, and at which timeframe."""

    symbol: str
    series_id: int
    instrument_id: int
    dataset_id: int
    calendar: str
    timeframe: str
    first_at: datetime | None
    last_at: datetime | None


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
        the stretch for which rates are known. Names of price fields are ignored.
    dataset
        Read symbols from this dataset only.

    Raises
    ------
    NotFound
        ``symbol.unknown`` (close ones are suggested), ``universe.unknown``.
    Invalid
        ``dates.reversed``, ``dates.unreadable``, ``panel.no_symbols``, ``panel.no_bars``,
        ``price_mode.unknown``, ``timeframe.unknown``, ``inputs.unknown``.
    """
    adjust.check_mode(price_mode)
    low, high = bounds(start, end)
    extras = _check_inputs(inputs)
    if isinstance(universe, str):
        universe = get_universe(team_id=team_id, name=universe) if universe else None
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
    series = _read(found, timeframe, price_mode, low, high)
    axis = time_axis(series)
    opened, high_, low_, close, volume = (lay_out(axis, series, name) for name in FIELDS)
    return Panel(
        symbols=tuple(item.symbol for item in found),
        ts=axis,
        open=opened,
        high=high_,
        low=low_,
        close=close,
        volume=volume,
        timeframe=timeframe,
        price_mode=price_mode,
        continuous=all(item.calendar == "24/7" for item in found),
        survivorship=_survivorship(universe, found),
        extras={kind: _figure(found, kind, axis, timeframe) for kind in extras},
    )


def _check_inputs(inputs: Sequence[str]) -> list[str]:
    extras = [name for name in inputs if name not in FIELDS]
    for name in extras:
        if name not in FIGURES:
            message = f"{name!r} is not an input; there are {', '.join((*FIELDS, *FIGURES))}."
            raise Invalid(message, code="inputs.unknown", details={"field": "inputs"})
    return extras


def _survivorship(universe: UniverseView | None, found: Sequence[Found]) -> str:
    if universe and {item.symbol for item in found} <= set(universe.symbols):
        return universe.survivorship
    names = Dataset.objects.filter(pk__in={item.dataset_id for item in found})
    titles = ", ".join(sorted(names.values_list("title", flat=True)))
    return f"Instruments picked by hand from {titles}: the choice itself may flatter results."


def locate(
    *,
    team_id: int | None,
    symbols: Sequence[str],
    timeframe: str,
    dataset: str = "",
    dataset_id: int | None = None,
) -> list[Found]:
    """Return where each symbol is stored: the team's own data first, then one shared dataset.

    A dataset that holds all symbols is preferred to several that hold some.

    Raises
    ------
    NotFound
        ``symbol.unknown``, ``dataset.unknown``.
    Invalid
        ``panel.no_symbols``, ``panel.no_timeframe``.
    """
    if not symbols:
        message = "No instruments were named; give a universe or at least one symbol."
        raise Invalid(message, code="panel.no_symbols", details={"field": "instruments"})
    repeated = sorted(symbol for symbol, times in Counter(symbols).items() if times > 1)
    if repeated:
        message = f"{', '.join(repeated)} is named more than once; name each instrument once."
        raise Invalid(message, code="panel.repeated", details={"field": "instruments"})
    wanted = [_split(symbol, dataset) for symbol in symbols]
    options = _options(team_id, wanted, timeframe, dataset_id)
    held: dict[int, int] = defaultdict(int)
    for choices in options.values():
        for item in {choice.dataset_id: choice for choice in choices}.values():
            held[item.dataset_id] += 1
    return [
        _choose(team_id, symbol, place, options.get((symbol, place), []), held, timeframe)
        for symbol, place in wanted
    ]


def _split(symbol: str, dataset: str) -> tuple[str, str]:
    place, colon, rest = symbol.partition(":")
    return (rest, place) if colon else (symbol, dataset)


def _options(
    team_id: int | None,
    wanted: Sequence[tuple[str, str]],
    timeframe: str,
    dataset_id: int | None,
) -> dict[tuple[str, str], list[Found]]:
    """Return the series that could serve each symbol, the best first."""
    usable = {name: rank for rank, name in enumerate([timeframe, *finer_than(timeframe)])}
    rows = Series.objects.filter(
        Q(instrument__dataset__team_id=team_id) | Q(instrument__dataset__team=None),
        instrument__symbol__in={symbol for symbol, _ in wanted},
        timeframe__in=usable,
    )
    if dataset_id is not None:
        rows = rows.filter(instrument__dataset_id=dataset_id)
    values = rows.values_list(
        "instrument__symbol",
        "id",
        "instrument_id",
        "instrument__dataset_id",
        "instrument__dataset__calendar",
        "timeframe",
        "first_at",
        "last_at",
        "instrument__dataset__name",
        "instrument__dataset__team_id",
    )
    options: dict[tuple[str, str], list[tuple[tuple[bool, int, int], Found]]] = defaultdict(list)
    places: dict[str, set[str]] = defaultdict(set)
    for symbol, place in wanted:
        places[symbol].add(place)
    for row in values:
        item = Found(*row[:8])
        rank = (row[9] is None, usable[item.timeframe], item.dataset_id)
        for place in places[item.symbol]:
            if place in {"", row[8]}:
                options[item.symbol, place].append((rank, item))
    return {
        key: [item for _, item in sorted(found, key=lambda pair: pair[0])]
        for key, found in options.items()
    }


def _choose(
    team_id: int | None,
    symbol: str,
    place: str,
    options: Sequence[Found],
    held: dict[int, int],
    timeframe: str,
) -> Found:
    if not options:
        raise unknown_symbol(team_id, symbol, place, timeframe)
    return max(options, key=lambda item: (held[item.dataset_id], -options.index(item)))


def unknown_symbol(
    team_id: int | None, symbol: str, place: str = "", timeframe: str = ""
) -> NotFound | Invalid:
    """Return the error for a symbol that has no bars, with what comes close."""
    rows = Instrument.objects.filter(Q(dataset__team_id=team_id) | Q(dataset__team=None))
    if place:
        rows = rows.filter(dataset__name=place)
    known = sorted(set(rows.values_list("symbol", flat=True)))
    where = f" in {place}" if place else ""
    if symbol in known:
        frames = Series.objects.filter(instrument__in=rows.filter(symbol=symbol))
        stored = ", ".join(sorted(set(frames.values_list("timeframe", flat=True)))) or "no bars"
        message = (
            f"{symbol}{where} has no bars from which {timeframe} can be made; it has {stored}."
        )
        details: dict[str, object] = {"field": "timeframe", "symbol": symbol}
        return Invalid(message, code="panel.no_timeframe", details=details)
    close = difflib.get_close_matches(symbol.upper(), known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(close)}?" if close else "; see the list of instruments."
    message = f"There is no instrument {symbol!r}{where}{hint}"
    details = {"field": "instruments", "symbol": symbol, "close": close}
    return NotFound(message, code="symbol.unknown", details=details)


def _read(
    found: Sequence[Found], timeframe: str, price_mode: str, low: int, high: int
) -> list[Columns]:
    stored = store.read_bars([item.series_id for item in found], low, high)
    if not stored:
        raise _no_bars(found, low, high)
    factors = _factors([item.instrument_id for item in found], price_mode)
    series: list[Columns] = []
    for item in found:
        bars = stored.get(item.series_id)
        if bars is None:
            series.append(_none(stored))
            continue
        if item.instrument_id in factors:
            bars = _adjusted(bars, factors[item.instrument_id], price_mode)
        complete = item.calendar == "24/7"
        series.append(resample(bars, timeframe, source=item.timeframe, complete=complete))
    if not any(len(bars) for bars in series):
        raise _no_bars(found, low, high)
    return series


def _none(stored: dict[int, Columns]) -> Columns:
    return next(iter(stored.values())).take(slice(0, 0))


def _no_bars(found: Sequence[Found], low: int, high: int) -> Invalid:
    firsts = [item.first_at for item in found if item.first_at is not None]
    lasts = [item.last_at for item in found if item.last_at is not None]
    asked = f"from {_day(low)} to {_day(high)}"
    stored = f"{min(firsts):%Y-%m-%d} to {max(lasts):%Y-%m-%d}" if firsts else "none at all"
    names = ", ".join(item.symbol for item in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    message = f"{names}{more} have no bars {asked}; stored are {stored}. Choose dates in there."
    return Invalid(message, code="panel.no_bars", details={"field": "start"})


def _day(ts: int) -> str:
    return (
        "the beginning" if ts <= EARLIEST else "today" if ts >= LATEST else f"{moment_of(ts):%F}"
    )


def _factors(instrument_ids: Sequence[int], price_mode: str) -> dict[int, Factors]:
    if price_mode == "raw":
        return {}
    rows = Action.objects.filter(instrument_id__in=instrument_ids).order_by("instrument_id", "on")
    if price_mode == "split":
        # Dividends outnumber splits by far and change nothing in this mode.
        rows = rows.filter(kind=Action.Kind.SPLIT)
    grouped: dict[int, list[tuple[int, float, float]]] = defaultdict(list)
    for instrument_id, on, kind, factor in rows.values_list(
        "instrument_id", "on", "kind", "factor"
    ):
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


def _figure(
    found: Sequence[Found], kind: str, axis: NDArray[np.int64], timeframe: str
) -> NDArray[np.float64]:
    length = seconds_of(timeframe) * MICROS
    ids = [item.instrument_id for item in found]
    # Neighbours tell apart "nothing settled in this bar" and "nothing is known of this bar".
    low, high = int(axis[0]) - NEIGHBOURS, int(axis[-1]) + length + NEIGHBOURS
    stored = store.read_metric(ids, kind, low, high)
    nothing = (np.empty(0, np.int64), np.empty(0))
    columns = [
        sum_into_bars(axis, *stored.get(item.instrument_id, nothing), length) for item in found
    ]
    return np.ascontiguousarray(np.stack(columns, axis=1))


def read_figures(
    *,
    team_id: int | None,
    dataset: str,
    kind: str,
    start: Moment = None,
    end: Moment = None,
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
    found = store.read_metric(list(names), kind, low, high)
    return {names[instrument_id]: pair for instrument_id, pair in found.items()}
