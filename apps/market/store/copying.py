"""Binary COPY over this thread's connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.market.kernel import copy_format
from apps.market.kernel.columns import Columns

VALUES = ("open", "high", "low", "close", "volume")


def copy_in(statement: str, stream: bytes) -> None:
    """Send a binary stream to ``COPY … FROM STDIN``."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(stream)


def copy_out(statement: str, params: Sequence[object]) -> Iterator[bytes]:
    """Yield what ``COPY … TO STDOUT`` answers while the server works on the rest.

    The connection is taken until the end.
    """
    with connection.cursor() as cursor, cursor.copy(statement, params) as copy:
        for block in copy:
            yield bytes(block)


def stream_of(blocks: Sequence[tuple[int, Columns]], batch_id: int) -> bytes:
    """Return bars by series id as a binary COPY stream of ``BAR_FIELDS``."""
    sizes = [len(bars) for _, bars in blocks]
    series = np.repeat(np.array([series_id for series_id, _ in blocks], np.int32), sizes)
    ts = copy_format.to_server(np.concatenate([bars.ts for _, bars in blocks]))
    values = [np.concatenate([getattr(bars, name) for _, bars in blocks]) for name in VALUES]
    batch = np.full(len(series), batch_id, np.int32)
    return copy_format.pack([series, ts, *values, batch])


def bars_from(stream: Iterable[bytes]) -> dict[int, Columns]:
    """Return bars by series id from packed rows: id, times, four prices by turns, volumes."""
    found: dict[int, Columns] = {}
    for key, ts, prices, volume in copy_format.unpack(stream):
        times = copy_format.from_server(copy_format.integers(ts))
        by_turns = np.frombuffer(prices, ">f8").reshape(-1, 4)
        four = by_turns.T.astype(np.float64, order="C")
        bars = Columns(times, four[0], four[1], four[2], four[3], copy_format.floats(volume))
        found[int(copy_format.integers(key)[0])] = in_order(bars)
    return found


def in_order(bars: Columns) -> Columns:
    """Return bars in time order; a server may hand on groups in any order."""
    if np.all(bars.ts[1:] > bars.ts[:-1]):
        return bars
    return bars.take(np.argsort(bars.ts, kind="stable"))


def in_time_order(
    ts: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return times and values in time order."""
    order = np.argsort(ts, kind="stable")
    return ts[order], values[order]
