"""Which series serves a symbol: of the team's own data and the shared datasets."""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q

from apps.core.errors import Invalid, NotFound
from apps.market.kernel.resample import finer_than
from apps.market.models import Instrument, Series

DATASET = re.compile(r"[a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Found:
    """Where the bars of a symbol are stored, at which timeframe, under which stamp."""

    symbol: str
    series_id: int
    instrument_id: int
    dataset_id: int
    calendar: str
    timeframe: str
    first_at: datetime | None
    last_at: datetime | None
    stamp: UUID
    kind: str = "equity"
    currency: str = "USD"
    sector: str = ""


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


def check_symbols(*, team_id: int | None, symbols: Sequence[str]) -> None:
    """Raise ``NotFound`` unless every symbol (``dataset:symbol`` too) is there; reads no bars."""
    wanted = [_split(symbol, "") for symbol in symbols]
    rows = Instrument.objects.filter(
        Q(dataset__team_id=team_id) | Q(dataset__team=None),
        symbol__in={symbol for symbol, _ in wanted},
    )
    there = set(rows.values_list("symbol", "dataset__name"))
    known = there | {(symbol, "") for symbol, _ in there}
    for symbol, place in wanted:
        if (symbol, place) not in known:
            raise unknown_symbol(team_id, symbol, place)


def _split(symbol: str, dataset: str) -> tuple[str, str]:
    """Return symbol and dataset; a prefix in capitals is a venue and belongs to the symbol."""
    place, colon, rest = symbol.partition(":")
    return (rest, place) if colon and DATASET.fullmatch(place) else (symbol, dataset)


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
        "stamp",
        "instrument__kind",
        "instrument__currency",
        "instrument__sector",
        "instrument__dataset__name",
        "instrument__dataset__team_id",
    )
    options: dict[tuple[str, str], list[tuple[tuple[bool, int, int], Found]]] = defaultdict(list)
    places: dict[str, set[str]] = defaultdict(set)
    for symbol, place in wanted:
        places[symbol].add(place)
    for row in values:
        item = Found(*row[:12])
        rank = (row[13] is None, usable[item.timeframe], item.dataset_id)
        for place in places[item.symbol]:
            if place in {"", row[12]}:
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


def find_instrument(*, team_id: int | None, symbol: str, dataset: str = "") -> Instrument:
    """Return an instrument; without a dataset the team's own is preferred.

    Raises
    ------
    NotFound
        ``symbol.unknown`` with close symbols.
    """
    rows = Instrument.objects.filter(
        Q(dataset__team_id=team_id) | Q(dataset__team=None), symbol=symbol
    )
    if dataset:
        rows = rows.filter(dataset__name=dataset)
    own_first = F("dataset__team_id").asc(nulls_last=True)
    row = rows.select_related("dataset").order_by(own_first, "dataset_id").first()
    if row is None:
        raise unknown_symbol(team_id, symbol, dataset)
    return row


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
