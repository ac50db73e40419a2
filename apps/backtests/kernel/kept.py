"""A session between bars: put away as JSON, taken out again on the next bar, in any process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.results import Fills
from apps.backtests.kernel.sessions import (
    CALL,
    CASH,
    EQUITY,
    FILLS,
    FLOW_KINDS,
    FLOWS,
    GROSS,
    N_COLUMNS,
    NET,
    ORDER_STATES,
    ORDERS,
    UPTO,
    Session,
)

Floats = NDArray[np.float64]
# Rows of the state by asset that outlive a bar, and the columns of an order that count bars.
BY_ASSET = {"positions": 0, "marks": 1, "wanted": 2, "average": 6, "extreme": 7}
FIGURES = {"cash": CASH, "equity": EQUITY, "gross": GROSS, "net": NET}
BAR_COLUMNS = np.array((10, 11, 16))
PARENT, STATE, DONE, WORKING = 7, 6, 11, 1.0
HELD, WANTED = BY_ASSET["positions"], BY_ASSET["wanted"]


class KeptSession(Session):
    """A session that lives on between bars and whose orders others may hold back or end."""

    @property
    def wanted(self) -> Floats:
        """Weights that wait for the next fill, ``(n_assets,)``; NaN where nothing does."""
        state: Floats = self._state[2]
        if self.is_called:
            return state.copy()
        return np.where(np.isfinite(self._row), self._row, state)

    @property
    def is_called(self) -> bool:
        """Whether a margin call waits for the next fill; what was decided beside it is void."""
        return bool(self._account[CALL] > 0.0)

    @property
    def marks(self) -> Floats:
        """Last closes in the base currency, ``(n_assets,)``; NaN before the first."""
        found: Floats = self._state[1]
        return found

    @property
    def money(self) -> tuple[float, float, float]:
        """Cash, gross and net value at the last close."""
        cash, gross, net = self._account[[CASH, GROSS, NET]].tolist()
        return cash, gross, net

    def calm_down(self) -> None:
        """Forget all that waits, a margin call too."""
        self._account[CALL] = 0.0
        self.drop(slice(None))

    def want(self, weights: Floats) -> None:
        """Take weights over as they are, limits applied before; see ``set_targets``."""
        self._row = np.where(np.isfinite(weights), weights, self._row)

    def drop(self, asset: int | slice) -> None:
        """Forget what is wanted of an asset, or of all with ``slice(None)``."""
        self._row[asset] = self._state[2, asset] = np.nan

    def hold_back(self, number: int) -> None:
        """Let an order wait that no venue has accepted yet."""
        row = self._row_of(number)
        self._orders[row, [6, 7]] = 0.0, -1.0

    def release(self, number: int) -> None:
        """Let an order work that was held back; its time begins now."""
        row = self._orders[self._row_of(number)]
        if row[7] == -1.0:
            row[[6, 7, 10]] = 1.0, 0.0, self.bar
            if row[15] != row[15]:
                row[15] = self._state[1, int(row[0])]

    def withdraw(self, number: int, how: str = "cancelled") -> None:
        """End an order from outside; the strategy is told of it when it is asked next."""
        self.cancel(number)
        rows, row = self._orders, self._row_of(number)
        ended = (rows[:, 11] == self.bar) & (
            (rows[:, 7] == row + 1) | (np.arange(len(rows)) == row)
        )
        rows[ended, 11] = self.bar + 1
        rows[row, 6] = ORDER_STATES.index(how)

    def count_fills(self) -> int:
        """Return how many fills there were since it was taken out."""
        return int(self._account[FILLS])

    def fills_since(self, count: int) -> Fills:
        """Return the fills after the first ``count``, orders by their numbers."""
        upto = int(self._account[FILLS])
        key = self._key[count:upto].copy()
        placed = key[:, 2] > 0
        key[placed, 2] = np.array(self._numbers, np.int64)[key[placed, 2] - 1]
        return Fills(key, self._value[count:upto].copy())

    def flows_by_kind(self) -> dict[str, float]:
        """Return what accrued so far, by kind."""
        found: dict[str, float] = {}
        for _, _, kind, amount in self._flows[: int(self._account[FLOWS])].tolist():
            name = FLOW_KINDS[int(kind)]
            found[name] = found.get(name, 0.0) + amount
        return found


def empty_book(n_assets: int, cash: float) -> dict[str, Any]:
    """Return what is kept of a session that has not begun."""
    unknown = [None] * n_assets
    figures = {"cash": cash, "equity": cash, "gross": 0.0, "net": 0.0}
    return {**figures, "positions": [0.0] * n_assets, "marks": unknown}


def put_away(session: KeptSession) -> dict[str, Any]:
    """Return a session after a bar as JSON.

    Bars are counted from this one, which is 0; orders that ended and were told are left out, the
    others keep their numbers. Targets not filled yet are the caller's to keep, save those of a
    margin call.
    """
    kept: dict[str, Any] = {n: float(session._account[at]) for n, at in FIGURES.items()}
    for name, row in BY_ASSET.items():
        kept[name] = _plain(session._state[row])
    kept["call"] = bool(session._account[CALL])
    if session.bar >= 0:
        kept["ts"] = int(session.panel.ts[session.bar])
        kept["fx"] = _plain(session._bars[6][session.bar])
    rows, there = session._orders, _needed(session)
    at = {int(row) + 1: place + 1 for place, row in enumerate(there)}
    shown = rows[there].copy()
    shown[:, BAR_COLUMNS] -= max(session.bar, 0)
    shown[:, PARENT] = [at.get(int(p), int(p)) for p in shown[:, PARENT]]
    numbers = [session._numbers[row] for row in there.tolist()]
    kept["orders"] = [_plain(row) for row in shown]
    kept["numbers"] = numbers
    kept["tags"] = [session._tags.get(number, "") for number in numbers]
    kept["upto"] = int((there < session._account[UPTO]).sum())
    kept["next"], kept["told"] = session._next, session.told - max(session.bar, 0)
    return kept


def _needed(session: KeptSession) -> NDArray[np.int64]:
    """Return the rows of orders that work or are to be told, with all of their brackets."""
    rows = session._orders
    needed = (rows[:, STATE] <= WORKING) | (rows[:, DONE] > session.told)
    top = np.where(rows[:, PARENT] > 0.0, rows[:, PARENT] - 1.0, np.arange(len(rows)))
    groups = np.unique(top[needed])
    return np.flatnonzero(np.isin(top, groups))


def take_out(session: KeptSession, kept: Mapping[str, Any]) -> None:
    """Make a new session be what was put away.

    Its panel begins with the bar it was put away at (prices are not looked at), unless it had not
    begun then. What was wanted is the caller's to set, save after a margin call.
    """
    for name, at in FIGURES.items():
        session._account[at] = float(kept[name])
    for name, row in BY_ASSET.items():
        if name in kept:
            session._state[row] = _floats(kept[name])
    session._account[CALL] = float(kept.get("call", False))
    if not kept.get("call"):
        session._state[WANTED] = np.nan
    session.bar = 0 if "ts" in kept else -1
    if "fx" in kept:
        session._bars[6][0] = _floats(kept["fx"])
    rows = [_floats(row) for row in kept.get("orders", ())]
    session._orders = np.array(rows).reshape(-1, N_COLUMNS)
    session._account[ORDERS], session._account[UPTO] = len(rows), kept.get("upto", 0)
    session._numbers = list(kept.get("numbers", ()))
    session._tags = {
        number: tag
        for number, tag in zip(session._numbers, kept.get("tags", ()), strict=True)
        if tag
    }
    session._next, session.told = kept.get("next", 1), kept.get("told", -1)


def _plain(row: Floats) -> list[float | None]:
    return [value if value == value else None for value in row.tolist()]


def _floats(row: list[float | None]) -> Floats:
    return np.array(row, dtype=np.float64)
