"""A user's text as a strategy: every call of it goes through the sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from apps.market.kernel.bars import FIELDS, Panel
from apps.strategies.kernel.interface import Features, Floats, Params, Spec, View, check_panel
from apps.strategies.kernel.user_code import Declared, digest_of_text
from apps.strategies.sandbox.base import Sandbox, Session, stopped

MOST_MEMORY = 65_536


class HeldFeatures(dict[str, Floats]):
    """Features that stay in the process that computed them; seen from outside there are none."""

    def __init__(self, session: Session, panel: Panel) -> None:
        super().__init__()
        self.session, self.panel = session, panel

    def __del__(self) -> None:
        self.session.close()


class OwnStrategy:
    """A text behind the strategies' interface.

    Parameters
    ----------
    check
        Called before the text is sent anywhere: raises unless people approved exactly the text
        of the digest it is given, which is taken from the bytes that are sent.
    """

    def __init__(
        self, declared: Declared, text: str, sandbox: Sandbox, check: Callable[[str], None]
    ) -> None:
        self.spec: Spec = declared.spec
        self._declared, self._text, self._sandbox, self._check = declared, text, sandbox, check
        self._session: Session | None = None
        self._panel: Panel | None = None

    def __del__(self) -> None:
        if getattr(self, "_session", None) is not None:
            self._end()

    def check(self) -> None:
        """Raise unless people approved the text, and the sandbox holds."""
        self._check(digest_of_text(self._text))

    def warmup(self, params: Params) -> int:
        """Return how many bars must have closed, which the text declares; nothing is run."""
        return self._declared.warmup_bars(params)

    def targets(self, panel: Panel, params: Params) -> Floats:
        """Return the target weights of every bar. Raises ``Stopped``.

        The panel is sent once, however many parameters follow; the text begins afresh each time.
        """
        check_panel(self.spec, self.warmup(params), panel)
        session = self._opened(panel)
        session.ask("load", text=self._text)
        shape = (panel.n_bars, panel.n_assets)
        _, found = session.ask("targets", params=params, wanted={"targets": shape})
        cut = panel.n_bars * 2 // 3
        session.ask("load", text=self._text)
        wanted = {"targets": (cut, panel.n_assets)}
        _, early = session.ask("targets", params=params, rows=cut, wanted=wanted)
        _refuse_lookahead(found["targets"][:cut], early["targets"])
        return found["targets"]

    def prepare(self, panel: Panel, params: Params) -> Features:
        """Return features held in a process of their own. Raises ``Stopped``."""
        check_panel(self.spec, self.warmup(params), panel)
        session = self._start()
        try:
            _send_panel(session, panel)
            session.ask("prepare", params=params)
        except BaseException:
            session.close()
            raise
        return HeldFeatures(session, panel)

    def decide(self, view: View, params: Params) -> Floats | None:
        """Return what is wanted at a close, of features that ``prepare`` returned.

        The memory is replaced by what the text made of it: plain JSON. Raises ``Stopped``.
        """
        held = view.features
        if not isinstance(held, HeldFeatures):
            raise TypeError("a user's strategy decides on what its own prepare returned")
        if held.session.is_spent:
            anew = self.prepare(held.panel, params)
            assert isinstance(anew, HeldFeatures)  # noqa: S101 for the type checker
            held.session, anew.session = anew.session, held.session
        self.check()
        head, found = held.session.ask(
            "decide",
            i=int(view.i),
            ts=int(view.ts),
            params=params,
            memory=view.memory,
            given={"tradable": np.asarray(view.tradable, dtype=np.bool_)},
            wanted={"weights": (len(view.tradable),)},
        )
        memory = head.get("memory")
        if not isinstance(memory, dict) or len(json.dumps(memory)) > MOST_MEMORY:
            words = f"its memory is no object of at most {MOST_MEMORY} characters of JSON"
            raise stopped("strategy.bad_answer", words)
        view.memory.clear()
        view.memory.update(memory)
        weights = found["weights"]
        return None if np.isnan(weights).all() else weights

    def _opened(self, panel: Panel) -> Session:
        """Return the process that holds the panel."""
        if self._session is None or self._session.is_spent or self._panel is not panel:
            self._end()
            self._session, self._panel = self._start(), panel
            _send_panel(self._session, panel)
        else:
            self.check()
        return self._session

    def _start(self) -> Session:
        self.check()
        session = self._sandbox.open()
        try:
            session.ask("load", text=self._text)
        except BaseException:
            session.close()
            raise
        return session

    def _end(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = self._panel = None


def _send_panel(session: Session, panel: Panel) -> None:
    given: dict[str, Any] = {name: getattr(panel, name) for name in FIELDS}
    given |= {f"x_{name}": array for name, array in panel.extras.items()}
    meta = {
        "symbols": list(panel.symbols),
        "timeframe": panel.timeframe,
        "price_mode": panel.price_mode,
        "continuous": panel.continuous,
    }
    session.ask("take_panel", given={**given, "ts": panel.ts}, meta=meta)


def _refuse_lookahead(whole: Floats, early: Floats) -> None:
    """Refuse targets that change once later bars are known, or from one call to the next."""
    same = np.isclose(whole, early, rtol=1e-9, atol=1e-12, equal_nan=True)
    if not same.all():
        row, column = np.argwhere(~same)[0].tolist()
        words = (
            f"at bar {row}, column {column} it wants {early[row, column]:g} as long as later bars "
            f"are not known and {whole[row, column]:g} afterwards; use bars up to each row only"
        )
        raise stopped("strategy.looks_ahead", words)
