"""A user's text as the look-ahead probe asks it: in processes of the sandbox, never here."""

from __future__ import annotations

from typing import Any

from apps.market.kernel.bars import Panel
from apps.strategies.kernel.interface import Params
from apps.strategies.kernel.probe import Outputs, Place
from apps.strategies.sandbox.base import Session, Stopped
from apps.strategies.sandbox.own import OwnStrategy
from apps.strategies.sandbox.walking import rows_of, send_bars, tell_panel

# How long a text's lines are looked for.
TRACE_SECONDS = 8.0
MOST_LINE = 10**6


class OwnSubject:
    """A text with its parameters.

    Histories that end early are asked, the shortest first, of a process that was never sent a
    later bar: what it answers can't hang on one. Whole histories are asked of others.
    """

    def __init__(self, strategy: OwnStrategy, params: Params) -> None:
        self.strategy, self.params = strategy, params
        self._session: Session | None = None

    def outputs(self, panel: Panel) -> Outputs:
        """Return the target weights of every bar. Raises ``Stopped``."""
        session = self._begun(panel)
        shape = (panel.n_bars, panel.n_assets)
        _, found = session.ask("targets", params=self.params, wanted={"targets": shape})
        return {"targets": found["targets"]}

    def afresh(self) -> None:
        """End the process: another one knows nothing of what this one was sent."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def place(self, whole: Panel, other: Panel, cut: int) -> Place | None:
        """Return the line as the text's own process tells it: for people, nothing rests on it."""
        self.afresh()
        try:
            session = self._begun(whole)
            reply, _ = session.ask(
                "place",
                given=rows_of(other, 0, other.n_bars),
                params=self.params,
                cut=cut,
                within=TRACE_SECONDS,
            )
        except Stopped:
            return None
        finally:
            self.afresh()
        return _place(reply.get("place"))

    def _begun(self, panel: Panel) -> Session:
        if self._session is None or self._session.is_spent:
            self.afresh()
            self._session = self.strategy.start()
        tell_panel(self._session, panel)
        send_bars(self._session, panel, 0, panel.n_bars)
        return self._session


def _place(found: Any) -> Place | None:
    """Return a line and column that were told, if they can be such."""
    if not isinstance(found, list) or len(found) != 2:
        return None
    if not all(type(one) is int and 0 < one < MOST_LINE for one in found):
        return None
    return Place(line=found[0], column=found[1])
