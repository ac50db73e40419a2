"""Dividends and splits into the database, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.market.kernel.columns import Actions
from apps.market.kernel.resample import DAY

UPSERT_ACTIONS = """
INSERT INTO market_action AS a (instrument_id, kind, "on", value, factor)
SELECT q.id, q.kind, date '1970-01-01' + q.day, q.value, q.factor
FROM unnest(%s::int8[], %s::text[], %s::int4[], %s::float8[], %s::float8[])
    AS q (id, kind, day, value, factor)
ON CONFLICT (instrument_id, kind, "on") DO UPDATE
SET value = EXCLUDED.value, factor = EXCLUDED.factor
WHERE (a.value, a.factor) <> (EXCLUDED.value, EXCLUDED.factor)
"""


@dataclass(frozen=True, slots=True)
class Factored:
    """The actions of an instrument with what each multiplies earlier prices by."""

    instrument_id: int
    actions: Actions
    split_factors: NDArray[np.float64]
    dividend_factors: NDArray[np.float64]


def write_actions(items: Sequence[Factored]) -> int:
    """Store actions, replacing those of the same instrument, kind and day; return how many."""
    columns: list[list[object]] = [[], [], [], [], []]
    for item in items:
        actions = item.actions
        for kind, values, factors, there in (
            ("dividend", actions.dividend, item.dividend_factors, actions.dividend > 0),
            ("split", actions.split, item.split_factors, actions.split != 1),
        ):
            keep = there & (factors > 0) & np.isfinite(factors)
            parts = (
                [item.instrument_id] * int(keep.sum()),
                [kind] * int(keep.sum()),
                (actions.ts[keep] // DAY).tolist(),
                values[keep].tolist(),
                factors[keep].tolist(),
            )
            for column, part in zip(columns, parts, strict=True):
                column.extend(part)
    if columns[0]:
        with connection.cursor() as cursor:
            cursor.execute(UPSERT_ACTIONS, columns)
    return len(columns[0])
