"""A user's text as a strategy: every call of it goes through the sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from random import SystemRandom
from typing import Any

from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.interface import Features, Floats, Params, Spec, View, check_panel
from apps.strategies.kernel.orders import Intents
from apps.strategies.kernel.user_code import Declared, digest_of_text, line_of
from apps.strategies.sandbox.base import Sandbox, Session, Stopped, stopped
from apps.strategies.sandbox.walking import KEPT, Walk, send_bars, tell_panel, weights_by_bar

# How long the first answer is asked again of shorter histories, and then one answer in so many.
REPLAY_SECONDS, LATER_SECONDS, ONE_IN = 1.0, 0.2, 8
LEAST_REPLAYS = 2
CHANCE = SystemRandom()


@dataclass(slots=True)
class Used:
    """What running a text took: processes, processor, memory; closes asked of history alone.

    ``replayed`` of ``closes`` were asked of a process that knew no later bar. Of a text that
    decides bar by bar they are all.
    """

    tier: str = ""
    guard: str = ""
    uid: int = -1
    landlock: int = 0
    processes: int = 0
    cpu_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    replayed: int = 0
    closes: int = 0


class HeldFeatures(dict[str, Floats]):
    """Features that stay in the process that computes them; seen from outside there are none."""

    def __init__(self, walk: Walk, *, is_kept: bool) -> None:
        super().__init__()
        self.walk, self.is_kept = walk, is_kept

    def __del__(self) -> None:
        if not self.is_kept:
            self.walk.close()


class OwnStrategy:
    """A text behind the strategies' interface.

    Parameters
    ----------
    check
        Called before the text is sent anywhere: raises unless people approved exactly the text
        of the digest it is given, which is taken from the bytes that are sent.
    keep
        Whose process stays between bars, ``deployment:7``; without, it ends with the features.
    """

    def __init__(
        self, declared: Declared, text: str, sandbox: Sandbox, check: Callable[[str], None],
        keep: str = "",
    ) -> None:  # fmt: skip
        self.spec: Spec = declared.spec
        self._declared, self._text, self._sandbox, self._check = declared, text, sandbox, check
        self._keep = keep
        self._session: Session | None = None
        self._panel: Panel | None = None
        self._sessions: list[Session] = []
        self._used, self._asked = Used(), 0

    def __del__(self) -> None:
        if getattr(self, "_session", None) is not None:
            self._end()

    def check(self) -> None:
        """Raise unless people approved the text, and the sandbox holds."""
        self._check(digest_of_text(self._text))

    def used(self) -> dict[str, Any]:
        """Return what running it took so far, and within which fences it ran."""
        ended = [one for one in self._sessions if one.is_closed]
        for one in ended:
            self._used.cpu_seconds += one.cpu_seconds
            self._used.peak_memory_mb = max(self._used.peak_memory_mb, one.peak_memory / 2**20)
        self._sessions = [one for one in self._sessions if not one.is_closed]
        found = asdict(self._used)
        for name in ("cpu_seconds", "peak_memory_mb"):
            found[name] = round(found[name], 3)
        return found

    def finish(self) -> None:
        """End its processes; what it took is known then."""
        self._end()
        for one in self._sessions:
            one.close()

    def warmup(self, params: Params) -> int:
        """Return how many bars must have closed, which the text declares; nothing is run."""
        return self._declared.warmup_bars(params)

    def places_orders(self, params: Params) -> bool:  # noqa: ARG002 a text says it for all
        """Tell whether the text declares that it answers with orders."""
        return self._declared.places_orders

    @property
    def decides_at_once(self) -> bool:
        """Whether the text answers for all bars at once; else it is sent one after another."""
        return "targets" in self._declared.entries

    def targets(self, panel: Panel, params: Params) -> Floats:
        """Return the target weights of every bar. Raises ``Stopped``.

        A text with ``targets`` is asked over all bars at once, and then again, in a process that
        knows no later bar, at closes drawn by chance: at all of them where there is time.
        """
        check_panel(self.spec, self.warmup(params), panel)
        if self._declared.places_orders:
            message = f"{self.spec.title} answers with orders: it has no target weights by bar."
            raise Invalid(message, code="strategy.places_orders")
        if not self.decides_at_once:
            return self._walked(panel, params)
        with self._pointing("targets"):
            session = self._opened(panel)
            began = time.monotonic()
            shape = (panel.n_bars, panel.n_assets)
            _, found = session.ask("targets", params=params, wanted={"targets": shape})
            whole = found["targets"]
            self._replay(panel, params, whole, time.monotonic() - began)
            return whole

    def prepare(self, panel: Panel, params: Params) -> Features:
        """Return features to be: nothing is computed before the first decision."""
        check_panel(self.spec, self.warmup(params), panel)
        self.check()
        if self._keep:
            return HeldFeatures(KEPT.take(self._keep, self.start, panel, params), is_kept=True)
        return HeldFeatures(Walk(self.start, panel, params), is_kept=False)

    def decide(self, view: View, params: Params) -> Floats | Intents | None:  # noqa: ARG002 held
        """Return what is wanted at a close, of features that ``prepare`` returned.

        The memory is replaced by what the text made of it: plain JSON. Raises ``Stopped``.
        """
        held = view.features
        if not isinstance(held, HeldFeatures):
            raise TypeError("a user's strategy decides on what its own prepare returned")
        self.check()
        self._used.closes += 1
        self._used.replayed += 1
        with self._pointing("decide"):
            found = held.walk.decide(view, with_book=self._declared.places_orders)
            if found.has_orders and not self._declared.places_orders:
                words = "it answers with orders, and does not say PLACES_ORDERS = True"
                raise stopped("strategy.bad_answer", words)
        return found if self._declared.places_orders else found.weights

    def _walked(self, panel: Panel, params: Params) -> Floats:
        self.check()
        walk = Walk(self.start, panel, params)
        with self._pointing("decide"):
            try:
                found = weights_by_bar(walk, panel)
            finally:
                walk.close()
        self._used.closes += panel.n_bars
        self._used.replayed += panel.n_bars
        return found

    def _replay(self, panel: Panel, params: Params, whole: Floats, took: float) -> None:
        """Refuse targets that would not have been wanted without knowing later bars."""
        self._asked += 1
        if self._asked > 1 and CHANCE.randrange(ONE_IN):
            return
        seconds = REPLAY_SECONDS if self._asked == 1 else LATER_SECONDS
        counts = _histories(panel.n_bars, self.warmup(params), seconds, took)
        session, sent = self.start(), 0
        began = time.monotonic()
        try:
            tell_panel(session, panel)
            for done, count in enumerate(counts):
                if done >= LEAST_REPLAYS and time.monotonic() - began > 2.0 * seconds:
                    break
                send_bars(session, panel, sent, count)
                wanted = {"targets": (1, panel.n_assets)}
                _, found = session.ask("targets", params=params, last=True, wanted=wanted)
                _refuse_lookahead(whole[count - 1], found["targets"][0], count - 1)
                sent = count
                self._used.replayed += 1
        finally:
            session.close()
        self._used.closes += panel.n_bars

    @contextmanager
    def _pointing(self, entry: str) -> Iterator[None]:
        """Add the line of a function to what was stopped without one."""
        try:
            yield
        except Stopped as error:
            if "line" in error.details or error.code not in POINTED:
                raise
            line = line_of(self._text, entry)
            raise stopped(error.code, _words(error), line) from None

    def _opened(self, panel: Panel) -> Session:
        """Return the process that holds the panel."""
        if self._session is None or self._session.is_spent or self._panel is not panel:
            self._end()
            self._session, self._panel = self.start(), panel
            tell_panel(self._session, panel)
            send_bars(self._session, panel, 0, panel.n_bars)
        else:
            self.check()
        return self._session

    def start(self) -> Session:
        """Return a process that has loaded the text, which people approved."""
        self.check()
        session = self._sandbox.open()
        status = self._sandbox.status()
        self._used.tier, self._used.guard, self._used.uid = status.tier, status.guard, status.uid
        self._used.landlock = status.fences.get("landlock", 0)
        self._used.processes += 1
        self.used()
        self._sessions.append(session)
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


POINTED = frozenset({"strategy.bad_answer", "strategy.looks_ahead", "strategy.killed"})


def _words(error: Stopped) -> str:
    return error.message.partition(": ")[2]


def _histories(n_bars: int, warmup: int, seconds: float, took: float) -> list[int]:
    """Return numbers of bars to ask again with, ascending: all that time allows, by chance.

    Without a declared warm-up nothing shorter than a third is asked: a text may need some bars.
    """
    least = min(warmup + 1 if warmup else n_bars // 3, n_bars - 1)
    known = range(max(least, 1), n_bars)
    most = max(LEAST_REPLAYS, int(seconds / max(took, 5e-4)))
    if len(known) <= most:
        return list(known)
    # The last is always among them: the longest history there is to check against.
    return sorted({*CHANCE.sample(known, most - 1), n_bars - 1})


def _refuse_lookahead(whole: Floats, early: Floats, row: int) -> None:
    """Refuse targets that change once later bars are known, or from one call to the next."""
    for column, (known, before) in enumerate(zip(whole.tolist(), early.tolist(), strict=True)):
        both_nan = known != known and before != before
        if not both_nan and not abs(known - before) <= 1e-12 + 1e-9 * abs(known):
            words = (
                f"at bar {row}, column {column} it wants {before:g} as long as later bars are not "
                f"known and {known:g} afterwards; use bars up to each row only"
            )
            raise stopped("strategy.looks_ahead", words)
