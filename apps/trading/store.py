"""Time-series and fence of trading: equity points in and out as arrays, advisory locks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# One key for the whole lab: every intent takes it shared, a halt takes it alone. The queue for it
# is fair, so a halt waits only for the intents already under way.
FENCE_KEY = 0x51_75_61_6E_74_01
# The capital of an approval: who would use some of it holds this, with the approval's number.
CAPITAL_KEY = 0x51_75_61_6E
ACCOUNT_TOTAL = 0
ADD_POINTS = """
INSERT INTO trading_equity (account_id, deployment_id, epoch, ts, equity, cash, gross, net)
SELECT * FROM unnest(%s::int8[], %s::int8[], %s::int4[], %s::timestamptz[],
    %s::float8[], %s::float8[], %s::float8[], %s::float8[])
ON CONFLICT (account_id, deployment_id, epoch, ts) DO NOTHING
"""
PUT_POSITIONS = """
INSERT INTO trading_position AS p (account_id, deployment_id, symbol, quantity, average_price,
    last_price, last_price_at, updated_at)
SELECT %s, %s, q.symbol, q.quantity, q.average_price, q.last_price, %s, %s
FROM unnest(%s::text[], %s::numeric[], %s::numeric[], %s::numeric[])
    AS q (symbol, quantity, average_price, last_price)
ON CONFLICT (account_id, deployment_id, symbol) DO UPDATE SET
    quantity = EXCLUDED.quantity, average_price = EXCLUDED.average_price,
    last_price = EXCLUDED.last_price, last_price_at = EXCLUDED.last_price_at,
    updated_at = EXCLUDED.updated_at
"""
DROP_POSITIONS = """
DELETE FROM trading_position
WHERE account_id = %s AND deployment_id = %s AND symbol <> ALL(%s::text[])
"""
READ_POINTS = """
SELECT extract(epoch FROM ts)::float8 * 1e6, equity, cash, gross, net FROM (
    -- Through the account, which row security guards; it can't guard this table (decision 41).
    SELECT * FROM trading_equity
    WHERE account_id = (SELECT id FROM trading_account WHERE id = %s)
        AND deployment_id = %s AND epoch = %s
    ORDER BY ts DESC LIMIT %s
) newest ORDER BY ts
"""

READ_TAILS = """
SELECT a.id, e.equity FROM unnest(%s::int8[], %s::int4[]) AS a (id, epoch)
JOIN trading_account own ON own.id = a.id, LATERAL (
    SELECT ts, equity FROM trading_equity
    WHERE account_id = a.id AND deployment_id = %s AND epoch = a.epoch
    ORDER BY ts DESC LIMIT %s
) e ORDER BY a.id, e.ts
"""


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """Equity of a deployment, or of the whole account (deployment 0), at a bar's close."""

    account_id: int
    deployment_id: int
    epoch: int
    ts: datetime
    equity: float
    cash: float
    gross: float
    net: float


@dataclass(frozen=True, slots=True)
class EquityCurve:
    """Equity points as arrays in time order; ``ts`` in microseconds since 1970."""

    ts: NDArray[np.int64]
    equity: Floats
    cash: Floats
    gross: Floats
    net: Floats

    def __len__(self) -> int:
        return len(self.ts)


def pass_fence() -> None:
    """Hold the fence together with others until the transaction ends; waits for a halt."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [FENCE_KEY])


def close_fence() -> None:
    """Hold the fence alone until the transaction ends; waits for the intents under way."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FENCE_KEY])


def hold_capital(approvals: Iterable[UUID]) -> None:
    """Hold the capital of some approvals alone until the transaction ends.

    Whoever deploys or orders under one waits for the others; in one order, so that none waits in
    a circle. Two approvals may share a key by chance, which costs a wait and nothing else.
    """
    keys = {int.from_bytes(one.bytes[:4], "big", signed=True) for one in approvals}
    with connection.cursor() as cursor:
        for key in sorted(keys):
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [CAPITAL_KEY, key])


def add_points(points: Sequence[EquityPoint]) -> None:
    """Store equity points; one that is there already stays as it is."""
    if not points:
        return
    names = ("account_id", "deployment_id", "epoch", "ts", "equity", "cash", "gross", "net")
    columns = [[getattr(point, name) for point in points] for name in names]
    with connection.cursor() as cursor:
        cursor.execute(ADD_POINTS, columns)


def put_positions(
    account_id: int,
    deployment_id: int,
    rows: Sequence[tuple[str, Decimal, Decimal, Decimal]],
    *,
    price_at: datetime,
    now: datetime,
) -> None:
    """Make a deployment's positions be ``rows``: symbol, quantity, average and last price."""
    symbols = [row[0] for row in rows]
    columns = [[row[i] for row in rows] for i in range(4)]
    with connection.cursor() as cursor:
        cursor.execute(DROP_POSITIONS, [account_id, deployment_id, symbols])
        if rows:
            cursor.execute(PUT_POSITIONS, [account_id, deployment_id, price_at, now, *columns])


def read_points(
    account_id: int, epoch: int, *, deployment_id: int = ACCOUNT_TOTAL, limit: int = 5000
) -> EquityCurve:
    """Return the newest ``limit`` points in time order."""
    with connection.cursor() as cursor:
        cursor.execute(READ_POINTS, [account_id, deployment_id, epoch, limit])
        table = np.array(cursor.fetchall(), dtype=np.float64).reshape(-1, 5)
    ts = np.rint(table[:, 0]).astype(np.int64)
    return EquityCurve(ts, *(np.ascontiguousarray(table[:, i]) for i in range(1, 5)))


def read_tails(epochs: Mapping[int, int], *, limit: int) -> dict[int, list[float]]:
    """Return the newest ``limit`` equities of many accounts (id to epoch), in time order."""
    found: dict[int, list[float]] = {account_id: [] for account_id in epochs}
    with connection.cursor() as cursor:
        columns = [list(epochs), list(epochs.values())]
        cursor.execute(READ_TAILS, [*columns, ACCOUNT_TOTAL, limit])
        for account_id, equity in cursor.fetchall():
            found[account_id].append(equity)
    return found
