"""Live feeds at work: a thread that listens and never writes, and one that writes, per feed.

The listener streams or polls and fills gaps over REST after every connection; what it hears waits
in a queue. The writer is the only one at the database: it stores what was heard, keeps the lease,
and judges whether the feed still moves. Nothing runs, and no vendor's library is loaded, while no
feed is on.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from queue import Empty, SimpleQueue

import numpy as np
import structlog
from django.db import InterfaceError, OperationalError, connection
from numpy.typing import NDArray

from apps.core import clock, tenancy
from apps.core.errors import LabError, NotFound, Unavailable
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.calendars import expected_times
from apps.market.kernel.columns import Columns
from apps.market.kernel.liveness import SETTLED, STREAMED, Pulse, admit, feel, judge
from apps.market.kernel.planning import backoff
from apps.market.models import LiveFeed
from apps.market.providers.base import Fetched, Listing, Provider, Section, Task
from apps.market.providers.polling import Poll
from apps.market.selectors.keys import provider_for
from apps.market.services.live.holding import (
    Held,
    LostFeed,
    claim,
    ends_of,
    keep,
    let_go,
    list_wanted,
)
from apps.market.services.live.writing import Heard, store_heard

log = structlog.get_logger(__name__)

MICROS = 1_000_000
# Bars asked for again before the newest stored one: vendors settle them late.
AGAIN = 3
# Where nothing is stored yet; and the longest gap that is filled, the rest is for a repair.
FIRST_BARS, MOST_BARS = 60, 5_000
State = LiveFeed.State
DatabaseAway = (OperationalError, InterfaceError)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often things happen, in seconds."""

    take: float = 0.5
    beat: float = 3.0
    # The vendor may not have by REST what it told others on the stream just before we came.
    second_fill: float = 75.0
    join: float = 10.0
    database: float = 1.0
    patience: float = 1.0


class LiveFeeds:
    """The live feeds that this process holds.

    Parameters
    ----------
    holder
        The name of the process.
    """

    def __init__(
        self,
        holder: str,
        *,
        now: Callable[[], datetime] = clock.now,
        rhythm: Rhythm = Rhythm(),
    ) -> None:
        self.holder, self.now, self.rhythm = holder, now, rhythm
        self.runners: dict[int, Runner] = {}

    def look(self) -> None:
        """Take up feeds that are on and free, forget those that ended."""
        wanted = list_wanted()
        self.runners = {key: each for key, each in self.runners.items() if each.is_alive()}
        for feed_id in wanted:
            if feed_id in self.runners:
                continue
            held = claim(feed_id=feed_id, holder=self.holder, now=self.now())
            if held is not None:
                self.runners[feed_id] = Runner(held, self.now, self.rhythm)
                self.runners[feed_id].start()

    def stop(self) -> None:
        """Let go of all feeds; another process may take them up at once."""
        for runner in self.runners.values():
            runner.stopped.set()
        for runner in self.runners.values():
            runner.join(self.rhythm.join)


class Runner(threading.Thread):
    """Runs one feed until it is stopped, lost, or refused for good."""

    def __init__(self, held: Held, now: Callable[[], datetime], rhythm: Rhythm) -> None:
        super().__init__(name=f"live-{held.name}", daemon=True)
        self.held, self.now, self.rhythm = held, now, rhythm
        self.step = seconds_of(held.timeframe) * MICROS
        self.stopped = threading.Event()
        self.queue: SimpleQueue[Heard] = SimpleQueue()
        self.pulses = {symbol: Pulse() for symbol in held.symbols}
        self.waiting: list[Heard] = []
        self.is_linked = False
        self.linked_at = 0
        self.connects = self.connects_told = self.refused = 0
        self.trouble = ""
        self.failure: LabError | None = None
        self.beaten = float("-inf")

    # The writer.

    def run(self) -> None:
        """Write what is heard until the feed is stopped or lost."""
        ears = threading.Thread(target=self._listen, name=f"{self.name}-ears", daemon=True)
        with tenancy.team(self.held.team_id):
            try:
                self._prepare()
                ears.start()
                self._work()
            except LostFeed:
                log.warning("live.lost", feed=self.held.name, token=self.held.token)
            except LabError as error:
                self.failure = error
            except Exception:
                log.exception("live.crashed", feed=self.held.name)
                self.trouble = "crashed"
            finally:
                self.stopped.set()
                if ears.ident is not None:
                    ears.join(self.rhythm.join)
                self._end()
                connection.close()

    def _prepare(self) -> None:
        """Read how far each symbol is. Raises what the provider refuses with."""
        self.plug: Provider = provider_for(team_id=self.held.team_id, name=self.held.provider)
        self.section: Section = self.plug.section(self.held.section)
        for symbol, last in ends_of(self.held).items():
            self.pulses[symbol].last = int(last.timestamp()) * MICROS

    def _work(self) -> None:
        while not self.stopped.is_set():
            try:
                self._take()
                self._store()
                self._beat()
            except DatabaseAway as error:
                log.warning("live.database_away", feed=self.held.name, error=repr(error))
                connection.close()
                self.stopped.wait(self.rhythm.database)
            if self.failure is not None:
                return

    def _take(self) -> None:
        """Wait a little for something to be heard, then take all there is that is news."""
        try:
            found = [self.queue.get(timeout=self.rhythm.take)]
            while not self.queue.empty():
                found.append(self.queue.get_nowait())
        except Empty:
            return
        for heard in found:
            self._admit(heard)

    def _admit(self, heard: Heard) -> None:
        fetched, symbol = heard.fetched, heard.fetched.listing.symbol
        if symbol not in self.pulses or not len(fetched.bars):
            return
        pulse = self.pulses[symbol]
        news = admit(pulse, fetched.bars, heard.rank, self.step, self._micros())
        self.refused += int((~news).sum())
        if news.any():
            bars = fetched.bars.take(news)
            feel(pulse, bars, heard.rank)
            self.waiting.append(replace(heard, fetched=replace(fetched, bars=bars)))

    def _store(self) -> None:
        """Write what waits; it goes on waiting while the database is away."""
        if self.waiting:
            store_heard(self.held, section=self.section, heard=self.waiting, now=self.now())
            self.waiting = []

    def _beat(self) -> None:
        if time.monotonic() - self.beaten < self.rhythm.beat:
            return
        state, note, stale = self._judged()
        told = self.connects
        keep(
            self.held,
            state=state,
            note=note,
            stale=stale,
            connects=told - self.connects_told,
            refused=self.refused,
            now=self.now(),
        )
        self.connects_told, self.refused = told, 0
        self.beaten = time.monotonic()

    def _judged(self) -> tuple[str, str, tuple[str, ...]]:
        if not self.is_linked:
            state = State.RECONNECTING if self.connects or self.trouble else State.STARTING
            return state, self.trouble, ()
        now = self._micros()
        due = {symbol: self._due(pulse, now) for symbol, pulse in self.pulses.items()}
        verdict = judge(self.pulses, due, self.step, now)
        state = State.STALE if verdict.is_stale else State.LIVE
        return state, verdict.words or self.trouble, (*verdict.silent, *verdict.frozen)

    def _due(self, pulse: Pulse, now: int) -> NDArray[np.int64]:
        """Return the bars that should have come since the newest, or since we are connected."""
        newest = self.linked_at - self.step if pulse.last is None else pulse.last
        first = max(newest + self.step, self.linked_at // self.step * self.step)
        return expected_times(self.held.calendar, self.held.timeframe, first, now)

    def _end(self) -> None:
        """Store what is left and let go of the feed."""
        pause = backoff(1, 5.0, random.random()) if self.trouble else 0.0  # noqa: S311 jitter
        try:
            if self.failure is None and not self.trouble:
                self._take()
                self._store()
            let_go(self.held, now=self.now(), error=self.failure, pause=pause)
        except LostFeed:
            return
        except DatabaseAway:
            log.warning("live.not_let_go", feed=self.held.name)

    def _micros(self) -> int:
        return int(self.now().timestamp() * MICROS)

    # The listener: network only, no database.

    def _listen(self) -> None:
        attempt = 0
        while not self.stopped.is_set():
            heard_before = self.connects
            try:
                self._hear()
            except Unavailable as error:
                attempt = 1 if self.connects > heard_before else attempt + 1
                self._cut_off(error.message)
                chance = random.random()  # noqa: S311 jitter keeps labs apart: no secret
                wait = backoff(attempt, error.retry_after, chance)
                self.stopped.wait(wait * self.rhythm.patience)
            except LabError as error:
                self.failure = error
                return
            except Exception as error:
                attempt += 1
                log.exception("live.listener_crashed", feed=self.held.name)
                self._cut_off(f"{self.held.provider} could not be read: {type(error).__name__}")
                self.stopped.wait(backoff(attempt, 5.0, 0.5) * self.rhythm.patience)

    def _hear(self) -> None:
        streamed = getattr(self.plug, "stream", None)
        if streamed is None:
            self._poll().run(self._polled, self.stopped.is_set)
        else:
            streamed(self.held.symbols, self._told, self.stopped.is_set, self._link)

    def _link(self, is_linked: bool) -> None:
        """Note whether bars flow; fill what was missed from a thread of its own when they do."""
        if not is_linked:
            self._cut_off("The connection was cut; it is being made again.")
            return
        self.linked_at, self.trouble = self._micros(), ""
        self.connects += 1
        self.is_linked = True
        filler = threading.Thread(target=self._fill, args=(self.connects,), daemon=True)
        filler.start()

    def _cut_off(self, why: str) -> None:
        self.is_linked, self.trouble = False, why[:300]

    def _told(self, symbol: str, bars: Columns, is_correction: bool) -> None:
        rank = SETTLED if is_correction else STREAMED
        self.queue.put(Heard(Fetched(Listing(symbol), bars), "stream", rank))

    def _polled(self, fetched: Fetched) -> None:
        if not self.is_linked:
            self.linked_at, self.trouble = self._micros(), ""
            self.connects += 1
            self.is_linked = True
        self.queue.put(Heard(fetched, "poll", SETTLED))

    def _fill(self, connect: int) -> None:
        """Ask by REST for what closed while nobody listened, and once more a little later."""
        for pause in (0.0, self.rhythm.second_fill):
            self.stopped.wait(pause)
            attempt = 0
            left: Sequence[str] = self.held.symbols
            while left and not self.stopped.is_set() and connect == self.connects:
                attempt += 1
                left = self._fill_some(left)
                if left:
                    wait = backoff(attempt, 5.0, random.random())  # noqa: S311 jitter
                    self.stopped.wait(wait * self.rhythm.patience)

    def _fill_some(self, symbols: Sequence[str]) -> list[str]:
        """Ask for each symbol once; return those that may be answered later."""
        left = []
        for symbol in symbols:
            if self.stopped.is_set():
                break
            task = Task(
                self.held.section,
                symbol,
                self.held.timeframe,
                self._resume(symbol),
                self._micros(),
            )
            try:
                self.queue.put(Heard(self.plug.fetch(task), "backfill", SETTLED))
            except Unavailable:
                left.append(symbol)
            except NotFound:
                log.warning("live.unknown_symbol", feed=self.held.name, symbol=symbol)
            except LabError as error:
                # The stream goes on; the gap is in the gap map for a repair.
                log.warning("live.not_filled", feed=self.held.name, code=error.code)
        return left

    def _poll(self) -> Poll:
        return Poll(
            plug=self.plug,
            section=self.held.section,
            timeframe=self.held.timeframe,
            symbols=self.held.symbols,
            since=self._resume,
            now=lambda: self.now().timestamp(),
            wait=self.stopped.wait,
        )

    def _resume(self, symbol: str) -> int:
        """Return from which bar on a symbol is asked for."""
        current = self._micros() // self.step * self.step
        last = self.pulses[symbol].last
        first = current - FIRST_BARS * self.step if last is None else last - AGAIN * self.step
        return max(first, current - MOST_BARS * self.step)
