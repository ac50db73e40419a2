"""What a strategy sees of a session: each figure looked up when it is first read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from apps.core.errors import Invalid
from apps.strategies.kernel.interface import Features, View

if TYPE_CHECKING:
    from apps.backtests.kernel.sessions import Session

FIGURES: dict[str, Callable[[Session], Any]] = {
    "ts": lambda session: int(session.panel.ts[session.bar]),
    "weights": lambda session: session.weights,
    "tradable": lambda session: np.isfinite(session.panel.close[session.bar]),
    "positions": lambda session: session.positions.copy(),
    "prices": lambda session: session.last_prices.copy(),
    "equity": lambda session: session.equity,
    "orders": lambda session: session.list_orders(),
}


class SessionView(View):
    """A view of the bar a session is at; what was not read by then is refused afterwards.

    Most strategies read two or three of the figures, and at most bars none.
    """

    __slots__ = ("_bar", "_session")

    def __init__(
        self,
        session: Session,
        features: Features,
        memory: dict[str, Any],
        at: int | None = None,
    ) -> None:
        self._session, self._bar = session, session.bar
        self.i = session.bar if at is None else at
        self.features = features
        self.memory = memory

    def __getattr__(self, name: str) -> Any:
        """Look a figure up and keep it; Python calls this for what is not set yet."""
        find = FIGURES.get(name)
        if find is None:
            raise AttributeError(name)
        if self._session.bar != self._bar:
            message = f"view.{name} of an earlier close is asked for; read it when deciding."
            raise Invalid(message, code="view.stale")
        value = find(self._session)
        setattr(self, name, value)
        return value
