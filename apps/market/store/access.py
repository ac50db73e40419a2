"""Whose data it is: asked before any time-series table is read or written.

These tables carry no row-level security, since TimescaleDB refuses it together with compression.
Their datasets, instruments and series do: an id that can't be seen there is refused here.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from apps.core.errors import Denied
from apps.market.models import Batch, Dataset, Instrument, Series
from apps.market.store.tables import by_table

# The first key of advisory locks that guard the bars of a dataset; its id is the second.
LOCK_CLASS = 0x6D6B
# TimescaleDB else refuses a write that unpacks more than 100,000 compressed bars. On any other
# server nobody reads the setting.
LOCK = """
SELECT pg_advisory_xact_lock(%s, %s),
    set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true)
"""
REACHABLE = """
SELECT count(*) FROM market_instrument i
JOIN market_batch k ON k.dataset_id = i.dataset_id
JOIN market_dataset d ON d.id = i.dataset_id
WHERE i.id = ANY(%s) AND k.id = %s AND (quantsite_is_lab() OR d.team_id = quantsite_team())
"""


def lock_dataset(dataset_id: int) -> None:
    """Wait until nobody else writes bars of the dataset; held until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [LOCK_CLASS, dataset_id])


def check_owner(dataset_id: int, team_id: int | None) -> None:
    """Raise ``Denied`` unless the dataset belongs to exactly this team (None: shared)."""
    owner = Dataset.objects.filter(pk=dataset_id).values_list("team_id", flat=True)
    if list(owner) != [team_id]:
        message = f"Dataset {dataset_id} is shared or another team's: it can't be written to."
        raise Denied(message, code="dataset.foreign", details={"dataset": dataset_id})


def check_batch(dataset_id: int, batch_id: int) -> None:
    """Raise ``Denied`` unless the batch is one of the dataset."""
    if not Batch.objects.filter(pk=batch_id, dataset_id=dataset_id).exists():
        message = f"Batch {batch_id} is not of dataset {dataset_id}."
        raise Denied(message, code="dataset.foreign_batch", details={"dataset": dataset_id})


def series_of(dataset_id: int, series_ids: Sequence[int]) -> dict[int, Series]:
    """Return the series by id. Raises ``Denied`` unless every one belongs to the dataset."""
    rows = Series.objects.filter(pk__in=series_ids, instrument__dataset_id=dataset_id)
    mine = {row.pk: row for row in rows.only("id", "timeframe", "rows", "first_at", "last_at")}
    if len(mine) != len(set(series_ids)):
        message = f"Some of the series {sorted(series_ids)[:5]} are not of dataset {dataset_id}."
        raise Denied(message, code="dataset.foreign_series", details={"dataset": dataset_id})
    return mine


def check_readable(series_ids: Sequence[int]) -> dict[str, list[int]]:
    """Return the ids by the table their bars are in.

    Raises ``Denied`` unless row-level security shows every series here and now.
    """
    seen = Series.objects.filter(pk__in=series_ids).values_list("pk", "timeframe")
    found = by_table(seen)
    if sum(map(len, found.values())) != len(set(series_ids)):
        message = f"Some of the series {sorted(series_ids)[:5]} can't be read from here."
        raise Denied(message, code="dataset.foreign_series", details={"series": len(series_ids)})
    return found


def check_instruments_readable(instrument_ids: Sequence[int]) -> None:
    """Raise ``Denied`` unless row-level security shows every instrument here and now."""
    seen = Instrument.objects.filter(pk__in=instrument_ids).count()
    if seen != len(set(instrument_ids)):
        message = f"Some of the instruments {sorted(instrument_ids)[:5]} can't be read from here."
        raise Denied(message, code="dataset.foreign_instrument")


def check_instruments_writable(instrument_ids: Sequence[int], batch_id: int) -> None:
    """Raise ``Denied`` unless all are of the batch's dataset and it may be written to."""
    with connection.cursor() as cursor:
        cursor.execute(REACHABLE, [list(instrument_ids), batch_id])
        mine = cursor.fetchone()[0]
    if mine != len(set(instrument_ids)):
        message = f"Some of the instruments {sorted(instrument_ids)[:5]} can't be written to."
        raise Denied(message, code="dataset.foreign_instrument", details={"batch": batch_id})
