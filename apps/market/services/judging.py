"""Series judged by everything that is stored of them, in chunks that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max

from apps.core.kernel.timeframes import seconds_of
from apps.market import store
from apps.market.kernel.calendars import ALWAYS_OPEN
from apps.market.kernel.columns import Columns, empty_columns
from apps.market.kernel.health import Context, judge
from apps.market.kernel.identity import USUAL, Renamed, spellings
from apps.market.kernel.periods import EARLIEST, LATEST, micros
from apps.market.kernel.resample import MICROS
from apps.market.models import (
    Dataset,
    Flow,
    Rename,
    Series,
)
from apps.market.services.stored_actions import read_actions

# Bars held in memory at once: with their bytes on the way some 200 MB.
CHUNK_BARS = 1_000_000
CHUNK_SERIES = 500
MOST_ENDS = 8
Tell = Callable[[int, int], None]


def forget(*, series_ids: Sequence[int]) -> None:
    """Mark series as not judged since they changed; ``recheck`` comes for them."""
    Series.objects.filter(pk__in=series_ids).update(checked_at=None)


def recheck(*, series_ids: Sequence[int], now: datetime, tell: Tell | None = None) -> int:
    """Judge series anew; return how many were judged.

    Bars are read in chunks, so that a whole market fits into bounded memory. Each chunk is one
    transaction: what is judged stays judged when the work is cut short.
    """
    done = 0
    for chunk in _chunks_of(series_ids):
        with transaction.atomic():
            _recheck(chunk, now)
        done += len(chunk)
        if tell:
            tell(done, len(series_ids))
    return done


def _chunks_of(series_ids: Sequence[int]) -> Iterator[list[Series]]:
    """Yield the series of one dataset and timeframe at a time, at most a million bars together."""
    rows = Series.objects.filter(pk__in=list(series_ids)).defer("health")
    rows = rows.select_related("instrument__dataset")
    chunk: list[Series] = []
    bars = 0
    for row in rows.order_by("instrument__dataset_id", "timeframe", "id").iterator(2000):
        is_other = bool(chunk) and _key(row) != _key(chunk[0])
        if chunk and (is_other or bars + row.rows > CHUNK_BARS or len(chunk) >= CHUNK_SERIES):
            yield chunk
            chunk, bars = [], 0
        chunk.append(row)
        bars += row.rows
    if chunk:
        yield chunk


def _key(row: Series) -> tuple[int, str]:
    return row.instrument.dataset_id, row.timeframe


def _recheck(chunk: Sequence[Series], now: datetime) -> None:
    dataset, timeframe = chunk[0].instrument.dataset, chunk[0].timeframe
    stored = store.read_bars([row.pk for row in chunk], EARLIEST, LATEST)
    actions = read_actions([row.instrument_id for row in chunk])
    contexts = _contexts(dataset, timeframe, chunk, stored, now)
    for row in chunk:
        row.health = judge(
            stored.get(row.pk, empty_columns()),
            actions[row.instrument_id],
            calendar=dataset.calendar,
            timeframe=timeframe,
            context=contexts[row.pk],
        )
        row.checked_at = now
    Series.objects.bulk_update(chunk, ["health", "checked_at"], batch_size=200)
    store.write_cards([row.instrument_id for row in chunk])


def _contexts(
    dataset: Dataset,
    timeframe: str,
    chunk: Sequence[Series],
    stored: dict[int, Columns],
    now: datetime,
) -> dict[int, Context]:
    until = _newest_expected(dataset, timeframe, now)
    renames = [
        Renamed(before, after, micros(on))
        for before, after, on in Rename.objects.filter(dataset=dataset).values_list(
            "before", "after", "on"
        )
    ]
    by_symbol: dict[str, list[Renamed]] = {}
    for item in renames:
        by_symbol.setdefault(item.before, []).append(item)
        by_symbol.setdefault(item.after, []).append(item)
    others = _others(dataset, timeframe, chunk, stored)
    finer = _finer(timeframe, chunk, stored)
    return {
        row.pk: Context(
            symbol=row.instrument.symbol,
            renames=by_symbol.get(row.instrument.symbol, ()),
            until=None if row.instrument.delisted_on else until,
            finer=finer.get(row.pk),
            others=others.get(row.pk, ()),
        )
        for row in chunk
    }


def _newest_expected(dataset: Dataset, timeframe: str, now: datetime) -> int | None:
    """Return the open of the newest bar that every series of a dataset should have.

    That is the newest one any of them has. Where a flow brings bars in every day, a day and a
    bar before now is expected too: a feed that stands still as a whole is stale.
    """
    newest = Series.objects.filter(instrument__dataset=dataset, timeframe=timeframe).aggregate(
        at=Max("last_at")
    )["at"]
    until = micros(newest) if newest else None
    is_fed = dataset.team_id and any(
        request.get("dataset") == dataset.name
        for request in Flow.objects.filter(team_id=dataset.team_id, is_on=True).values_list(
            "request", flat=True
        )
    )
    if until is None or not is_fed:
        return until
    length = seconds_of(timeframe)
    closed = now - timedelta(days=1 if dataset.calendar == ALWAYS_OPEN else 2, seconds=length)
    return max(until, micros(closed) // (length * MICROS) * length * MICROS)


def _others(
    dataset: Dataset, timeframe: str, chunk: Sequence[Series], stored: dict[int, Columns]
) -> dict[int, list[tuple[str, Columns]]]:
    """Return the same symbols of other datasets around the end of each series.

    Coins go by several names; that the bars before agree to the digit tells the same one.
    """
    names = {row.pk: _names(row.instrument.symbol, dataset) for row in chunk}
    rows = Series.objects.filter(
        timeframe=timeframe, instrument__symbol__in=set().union(*names.values())
    ).exclude(instrument__dataset=dataset)
    if dataset.team_id is None:  # what is shared is not judged by what a team brought in
        rows = rows.filter(instrument__dataset__team=None)
    else:
        rows = rows.filter(instrument__dataset__team__in=[dataset.team_id]) | rows.filter(
            instrument__dataset__team=None
        )
    known = list(rows.select_related("instrument__dataset").defer("health"))
    if not known:
        return {}
    found: dict[int, list[tuple[str, Columns]]] = {}
    for start, end, group in _by_end(chunk, stored):
        mine: dict[str, list[int]] = {}
        for row in group:
            for name in names[row.pk]:
                mine.setdefault(name, []).append(row.pk)
        wanted = [one for one in known if one.instrument.symbol in mine]
        bars = store.read_bars([one.pk for one in wanted], start, end) if wanted else {}
        for one in wanted:
            for key in mine[one.instrument.symbol] if one.pk in bars else ():
                found.setdefault(key, []).append((one.instrument.dataset.name, bars[one.pk]))
    return found


def _names(symbol: str, dataset: Dataset) -> set[str]:
    return spellings(symbol) if dataset.is_continuous else {symbol}


def _by_end(
    chunk: Sequence[Series], stored: dict[int, Columns]
) -> Iterable[tuple[int, int, list[Series]]]:
    """Return the commonest last bars, from where to compare, and the series that end there."""
    groups: dict[int, list[Series]] = {}
    for row in chunk:
        if row.pk in stored:
            groups.setdefault(int(stored[row.pk].ts[-1]), []).append(row)
    common = sorted(groups.items(), key=lambda item: -len(item[1]))[:MOST_ENDS]
    for end, group in common:
        start = min(int(stored[row.pk].ts[-USUAL:][0]) for row in group)
        yield start, end, group


def _finer(
    timeframe: str, chunk: Sequence[Series], stored: dict[int, Columns]
) -> dict[int, tuple[str, Columns]]:
    """Return the shorter bars of the same instruments from the last bar of each series on."""
    rows = Series.objects.filter(instrument__in=[row.instrument_id for row in chunk])
    shorter = [
        one
        for one in rows.exclude(timeframe=timeframe).defer("health")
        if seconds_of(one.timeframe) < seconds_of(timeframe)
    ]
    if not shorter:
        return {}
    found: dict[int, tuple[str, Columns]] = {}
    for _, end, group in _by_end(chunk, stored):
        mine = {row.instrument_id: row.pk for row in group}
        wanted = [one for one in shorter if one.instrument_id in mine]
        until = end + 2 * seconds_of(timeframe) * MICROS
        bars = store.read_bars([one.pk for one in wanted], end, until) if wanted else {}
        for one in wanted:
            if one.pk in bars:
                found[mine[one.instrument_id]] = (one.timeframe, bars[one.pk])
    return found
