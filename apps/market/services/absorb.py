"""What was fetched into the tables: instruments, bars, actions, figures, health."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from apps.core.errors import Invalid
from apps.market import store
from apps.market.kernel.adjust import action_factors
from apps.market.kernel.cleaning import describe, find_defects
from apps.market.kernel.columns import Columns
from apps.market.models import Batch, Dataset, Instrument, Series
from apps.market.providers.base import Fetched
from apps.market.services.judging import forget, recheck
from apps.market.services.revisions import note_revisions


def absorb(
    *,
    dataset: Dataset,
    batch: Batch,
    timeframe: str,
    fetched: Sequence[Fetched],
    now: datetime,
    judged: bool = True,
) -> store.Written:
    """Store what was fetched, and note which stored bars it changed.

    Must run inside a transaction. ``judged`` False leaves the health of the series to the
    caller, who calls ``judging.recheck`` once when all is written: judging reads whole series.

    Raises
    ------
    Invalid
        ``bars.defective`` with symbol, row and column; nothing of the batch may stay then.
    """
    for item in fetched:
        _check_bars(item.listing.symbol, item.bars)
    # First of all, so that two runs over the same symbols wait here and nowhere else.
    store.lock_dataset(dataset.pk)
    instruments = _instruments(dataset, fetched)
    with_bars = [item for item in fetched if len(item.bars)]
    series = _series(instruments, with_bars, timeframe)
    blocks = [(series[item.listing.symbol].pk, item.bars) for item in with_bars]
    # Before the bars, so that what belongs to new ones is no correction of those stored.
    touched = [
        *_write_actions(instruments, fetched, batch.pk, now),
        *_write_figures(instruments, fetched, batch.pk, now),
    ]
    written = store.write_bars(
        team_id=dataset.team_id,
        dataset_id=dataset.pk,
        batch_id=batch.pk,
        blocks=blocks,
        now=now,
    )
    note_revisions(batch=batch, changes=written.revisions, others=touched, now=now)
    series_ids = [series_id for series_id, _ in blocks]
    forget(series_ids=series_ids)
    if judged:
        recheck(series_ids=series_ids, now=now)
    store.write_cards([row.pk for row in instruments.values()])
    Batch.objects.filter(pk=batch.pk).update(
        rows=batch.rows + written.added + written.changed,
        received=batch.received + written.received,
    )
    batch.refresh_from_db()
    return written


def _check_bars(symbol: str, bars: Columns) -> None:
    """Raise ``Invalid`` naming symbol, row and column when the bars may not be stored."""
    defects = find_defects(bars)
    if defects:
        message = f"{symbol}: {describe(defects)}. Nothing of it was stored."
        details: dict[str, object] = {"symbol": symbol, "row": defects[0].row + 1}
        raise Invalid(message, code="bars.defective", details=details)


def _instruments(dataset: Dataset, fetched: Sequence[Fetched]) -> dict[str, Instrument]:
    rows = [
        Instrument(
            dataset=dataset,
            symbol=item.listing.symbol,
            name=item.listing.name,
            kind=item.listing.kind,
            sector=item.listing.sector,
            venue=item.listing.venue,
            currency=item.listing.currency,
        )
        for item in fetched
    ]
    Instrument.objects.bulk_create(rows, ignore_conflicts=True)
    symbols = [item.listing.symbol for item in fetched]
    found = Instrument.objects.filter(dataset=dataset, symbol__in=symbols)
    return {row.symbol: row for row in found}


def _series(
    instruments: dict[str, Instrument], fetched: Sequence[Fetched], timeframe: str
) -> dict[str, Series]:
    wanted = [instruments[item.listing.symbol] for item in fetched]
    rows = [Series(instrument=instrument, timeframe=timeframe) for instrument in wanted]
    Series.objects.bulk_create(rows, ignore_conflicts=True)
    found = Series.objects.filter(instrument__in=wanted, timeframe=timeframe)
    return {row.instrument.symbol: row for row in found.select_related("instrument")}


def _write_actions(
    instruments: dict[str, Instrument], fetched: Sequence[Fetched], batch_id: int, now: datetime
) -> tuple[store.Touched, ...]:
    """Store dividends and splits with their factors; those that differ move to the history."""
    noted = store.write_actions(
        [
            store.Factored(
                instruments[item.listing.symbol].pk,
                item.actions,
                *action_factors(item.bars, item.actions),
            )
            for item in fetched
            if len(item.actions) and len(item.bars)
        ],
        batch_id=batch_id,
        now=now,
    )
    return noted.touched


def _write_figures(
    instruments: dict[str, Instrument], fetched: Sequence[Fetched], batch_id: int, now: datetime
) -> list[store.Touched]:
    touched: list[store.Touched] = []
    kinds = sorted({kind for item in fetched for kind in item.figures})
    for kind in kinds:
        figures = [
            store.Figures(instruments[item.listing.symbol].pk, *item.figures[kind])
            for item in fetched
            if kind in item.figures
        ]
        touched += store.write_metric(kind, figures, batch_id, now)
    return touched
