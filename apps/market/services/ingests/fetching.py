"""Fetches side by side, tried again with patience; nothing here touches the database."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import numpy as np
import structlog

from apps.core import jobs
from apps.core.errors import Denied, LabError, Unavailable
from apps.market.kernel.columns import Actions
from apps.market.kernel.planning import backoff
from apps.market.providers.base import Capabilities, Fetched, Provider, Task

log = structlog.get_logger(__name__)

MOST_SIDE_BY_SIDE = 4
TICK_SECONDS = 1.0
REFUSED = ("provider.auth", "provider.no_key")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a fetch is tried, and how many in a row may fail before the source is away."""

    attempts: int = 3
    give_up_after: int = 10
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a fetch went: bars, or why there are none."""

    task_id: int
    task: Task
    attempts: int
    fetched: Fetched | None = None
    error: LabError | None = None

    @property
    def is_away(self) -> bool:
        """Whether the source did not answer."""
        return isinstance(self.error, Unavailable)

    @property
    def is_refused(self) -> bool:
        """Whether the source does not take our key: it won't take it for the next one either."""
        return isinstance(self.error, Denied) and self.error.code in REFUSED

    @property
    def described(self) -> dict[str, Any]:
        """The error as JSON, and whether trying again may help."""
        if self.error is None:
            return {}
        return {**jobs.describe(self.error), "again": self.is_away}


def side_by_side(told: Capabilities, *, is_remote: bool) -> int:
    """Return how many fetches may run at once: one where nothing is waited for, or limits are."""
    if not is_remote:
        return 1
    slowest = min((limit.requests / limit.seconds for limit in told.limits), default=10.0)
    return max(1, min(MOST_SIDE_BY_SIDE, int(slowest)))


@dataclass(slots=True)
class Fetcher:
    """Fetches tasks with one provider per thread, at most two waiting for each thread."""

    plugs: Sequence[Provider]
    patience: Patience
    stopped: threading.Event = field(default_factory=threading.Event)

    def outcomes(self, tasks: Iterator[tuple[int, Task]]) -> Iterator[Outcome | None]:
        """Yield what came of each task as it is there, and None each second without any."""
        if len(self.plugs) == 1 and not hasattr(self.plugs[0], "with_timing"):
            for task_id, task in tasks:
                yield self._fetch(self.plugs[0], task_id, task)
            return
        free: SimpleQueue[Provider] = SimpleQueue()
        for plug in self.plugs:
            free.put(plug)
        pool = ThreadPoolExecutor(len(self.plugs), thread_name_prefix="fetch")
        try:
            yield from self._in_threads(pool, free, tasks)
        finally:
            self.stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _in_threads(
        self,
        pool: ThreadPoolExecutor,
        free: SimpleQueue[Provider],
        tasks: Iterator[tuple[int, Task]],
    ) -> Iterator[Outcome | None]:
        def work(task_id: int, task: Task) -> Outcome:
            plug = free.get()
            try:
                return self._fetch(plug, task_id, task)
            finally:
                free.put(plug)

        waiting: set[Future[Outcome]] = set()
        is_over = False
        while waiting or not is_over:
            while not is_over and len(waiting) < 2 * len(self.plugs):
                following = next(tasks, None)
                if following is None:
                    is_over = True
                else:
                    waiting.add(pool.submit(work, *following))
            done, waiting = wait(waiting, TICK_SECONDS, FIRST_COMPLETED)
            for future in done:
                yield future.result()
            if not done and waiting:
                yield None

    def _fetch(self, plug: Provider, task_id: int, task: Task) -> Outcome:
        for attempt in range(1, self.patience.attempts + 1):
            try:
                return Outcome(task_id, task, attempt, _within(plug.fetch(task), task))
            except Unavailable as error:
                if attempt == self.patience.attempts or self.stopped.is_set():
                    return Outcome(task_id, task, attempt, error=error)
                # Jitter keeps workers from coming back all at once: no secret hangs on it.
                chance = random.random()  # noqa: S311
                seconds = backoff(attempt, error.retry_after, chance) * self.patience.scale
                self.stopped.wait(seconds)
            except LabError as error:
                return Outcome(task_id, task, attempt, error=error)
            except Exception as error:  # a symbol that breaks a provider stops no run
                log.exception("ingest.fetch_crashed", symbol=task.symbol)
                told = (
                    f"{plug.capabilities.title} could not be read: {type(error).__name__}: {error}"
                )
                broken = LabError(told[:500], code="provider.crashed")
                return Outcome(task_id, task, attempt, error=broken)
        raise AssertionError("unreachable")


def _within(fetched: Fetched, task: Task) -> Fetched:
    """Leave out actions beyond the task's stretch: their prices are not among its bars."""
    ts = fetched.actions.ts
    if not len(ts):
        return fetched
    keep = np.ones(len(ts), bool)
    if task.since is not None and len(fetched.bars):
        keep &= ts >= min(task.since, int(fetched.bars.ts[0]))
    if task.until is not None:
        keep &= ts < task.until
    if keep.all():
        return fetched
    acts = fetched.actions
    actions = Actions(acts.ts[keep], acts.dividend[keep], acts.split[keep])
    return Fetched(fetched.listing, fetched.bars, actions, fetched.figures)
