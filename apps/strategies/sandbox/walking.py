"""A text taken from close to close: its process is sent each bar when it has closed, never before.

What is not known yet is nowhere in the process, so there is nothing to look ahead at.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from apps.market.kernel.bars import FIELDS, Panel
from apps.strategies.kernel.interface import Params, View
from apps.strategies.kernel.orders import Intents
from apps.strategies.sandbox.answers import intents_of
from apps.strategies.sandbox.base import Floats, Session, stopped
from apps.strategies.sandbox.processes import line_in

MOST_MEMORY = 65_536
# Processes that wait for their deployment's next bar: how many, and for how long. One that comes
# later is sent its bars anew.
MOST_KEPT, KEPT_SECONDS = 16, 1800.0

Opens = Callable[[], Session]


class Walk:
    """A process with a text and the bars it was sent so far.

    Parameters
    ----------
    opens
        Returns a process that has loaded the text, checked anew. Another one takes over when it
        has used up its time, or when bars are to be told otherwise than they were.
    """

    def __init__(self, opens: Opens, panel: Panel, params: Params) -> None:
        self.opens, self.params = opens, params
        self.panel, self.sent = panel, 0
        self.session: Session | None = None

    def follows(self, panel: Panel, params: Params) -> bool:
        """Tell whether a panel goes on from what was sent, and take it up then."""
        same = params == self.params and _meta(panel) == _meta(self.panel)
        if not same or panel.n_bars < self.sent or panel.extras.keys() != self.panel.extras.keys():
            return False
        before, now = rows_of(self.panel, 0, self.sent), rows_of(panel, 0, self.sent)
        if all(np.array_equal(before[name], now[name], equal_nan=True) for name in now):
            self.panel = panel
            return True
        return False

    def decide(self, view: View, *, with_book: bool) -> Intents:
        """Return what is wanted at a close; the memory is replaced by what the text made of it.

        Raises ``Stopped``.
        """
        session, stop = self._at(view.i)
        given: dict[str, Any] = {"tradable": np.asarray(view.tradable, dtype=np.bool_)}
        if self.sent < stop:
            given |= rows_of(self.panel, self.sent, stop)
        head: dict[str, Any] = {"params": self.params, "memory": view.memory}
        if with_book:
            given |= {f"held_{name}": getattr(view, name) for name in FIGURES}
            equity = float(view.equity)
            head |= {
                "equity": equity if np.isfinite(equity) else 0.0,
                "orders": [_told(one) for one in view.orders],
            }
        wanted = {"weights": (self.panel.n_assets,)}
        reply, found = session.ask("decide", given=given, wanted=wanted, **head)
        self.sent = stop
        memory = reply.get("memory")
        if not isinstance(memory, dict) or len(json.dumps(memory)) > MOST_MEMORY:
            words = f"its memory is no object of at most {MOST_MEMORY} characters of JSON"
            raise stopped("strategy.bad_answer", words)
        view.memory.clear()
        view.memory.update(memory)
        return intents_of(reply, found["weights"], line_in(reply))

    def close(self) -> None:
        """End the process."""
        if self.session is not None:
            self.session.close()
        self.session, self.sent = None, 0

    def _at(self, i: int) -> tuple[Session, int]:
        """Return a process that knows no bar after ``i``, and how many bars it is to know."""
        stop = i + 1
        if self.session is None or self.session.is_spent or self.sent > stop:
            self.close()
            self.session = self.opens()
            tell_panel(self.session, self.panel)
        return self.session, stop


FIGURES = ("weights", "positions", "prices")


class Kept:
    """Walks that go on at the next bar, one for each deployment."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.walks: OrderedDict[str, tuple[float, Walk]] = OrderedDict()

    def take(self, name: str, opens: Opens, panel: Panel, params: Params) -> Walk:
        """Return the walk of that name, when what it was sent is what the panel begins with."""
        at = time.monotonic()
        with self.lock:
            walk = self.walks.pop(name, (at, None))[1]
            over = [] if walk is None or walk.follows(panel, params) else [walk]
            if walk is None or over:
                walk = Walk(opens, panel, params)
            walk.opens = opens
            self.walks[name] = (at, walk)
            most = len(self.walks) - MOST_KEPT
            for late, (seen, one) in enumerate(list(self.walks.values())):
                if late < most or at - seen > KEPT_SECONDS:
                    over.append(one)
            self.walks = OrderedDict(
                (key, kept) for key, kept in self.walks.items() if kept[1] not in over
            )
        for one in over:
            one.close()
        return walk

    def close(self, prefix: str = "") -> None:
        """End the processes of the walks whose names begin so."""
        with self.lock:
            for name in [name for name in self.walks if name.startswith(prefix)]:
                self.walks.pop(name)[1].close()


KEPT = Kept()


def tell_panel(session: Session, panel: Panel) -> None:
    """Tell a process what the bars will be, and none of them."""
    session.ask("begin", meta=_meta(panel), n_assets=panel.n_assets, extras=sorted(panel.extras))


def send_bars(session: Session, panel: Panel, start: int, stop: int) -> None:
    """Send some bars."""
    session.ask("take_bars", given=rows_of(panel, start, stop))


def _meta(panel: Panel) -> dict[str, Any]:
    return {
        "symbols": list(panel.symbols),
        "timeframe": panel.timeframe,
        "price_mode": panel.price_mode,
        "continuous": panel.continuous,
    }


def rows_of(panel: Panel, start: int, stop: int) -> dict[str, Any]:
    """Return some bars as they are sent."""
    given: dict[str, Any] = {name: getattr(panel, name)[start:stop] for name in FIELDS}
    given |= {f"x_{name}": array[start:stop] for name, array in panel.extras.items()}
    return {**given, "ts": panel.ts[start:stop]}


def _told(status: Any) -> dict[str, Any]:
    """Return what became of an order as JSON; None for a figure there is not yet."""
    names = ("number", "asset", "kind", "size", "filled", "state", "price", "average", "parent")
    told = {name: getattr(status, name) for name in (*names, "tag")}
    return {name: _finite(value) for name, value in told.items()} | {"is_open": status.is_open}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def weights_by_bar(walk: Walk, panel: Panel) -> Floats:
    """Return what a text that decides bar by bar wants, as target weights of every bar."""
    out = np.full((panel.n_bars, panel.n_assets), np.nan)
    there, memory = np.isfinite(panel.close), dict[str, Any]()
    nothing = np.zeros(panel.n_assets)
    for i in range(panel.n_bars):
        view = View(i, int(panel.ts[i]), {}, nothing, there[i], memory)
        found = walk.decide(view, with_book=False)
        if found.has_orders:
            words = "it answers with orders, and does not say PLACES_ORDERS = True"
            raise stopped("strategy.bad_answer", words)
        if found.weights is not None:
            out[i] = found.weights
    return out
