"""Live risk: what changed is noted on commit, measured a moment later, told to browsers.

Whoever changes a position or a price leaves a note in Redis, which costs it nothing else. A
thread of the stream process takes the notes together, at most a few times a second, so that a
quick feed is not measured more often than anybody can look.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import redis
import structlog
from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)

from apps.accounts import selectors as accounts
from apps.core import events
from apps.core.errors import LabError
from apps.core.live import client
from apps.risk import selectors
from apps.risk.selectors.health import CHANGED, TOLD, WATCHED

log = structlog.get_logger(__name__)

LIVE_CHANGED = "risk.live.changed"
TOPIC = "risk"
TOLD_SECONDS = 3600
PER_SECOND = 4.0
LOOK_SECONDS = 0.05
RETRY_SECONDS = 1.0
# What a message of the whole team leaves out of each book: the book's own topic has it.
ONE_BY_ONE = ("parts", "unmeasured", "stale", "notes")
# Set while a teller runs in this process; what it is to do beside telling, by key.
_RUNNING = threading.Event()
_LATER: dict[str, Callable[[], None]] = {}
LEAVE = """
local at = redis.call('TIME')
return redis.call('HSETNX', KEYS[1], ARGV[1], string.format('%d.%06d', at[1], at[2]))
"""
TAKE = "local all = redis.call('HGETALL', KEYS[1]) redis.call('DEL', KEYS[1]) return all"


@dataclass(frozen=True, slots=True)
class Told:
    """What one turn did: messages sent, teams measured, seconds from the oldest change to them."""

    messages: int
    teams: int
    lag: float
    seconds: float


def note_change(*, team_id: int, subject: str) -> None:
    """Note that a book's positions or prices changed, once that is committed.

    Not an act of anybody, so not in the trail. The first of several changes keeps its time, which
    is Redis': who tells it looks at the same clock. A note that can't be left is no matter:
    whoever comes back asks for the whole.
    """
    transaction.on_commit(lambda: _leave(f"{team_id} {subject}"), robust=True)


def _leave(field: str) -> None:
    try:
        client().eval(LEAVE, 1, CHANGED, field)
    except redis.RedisError as error:
        log.warning("risk.live_unnoted", error=repr(error))


def do_later(*, key: str, act: Callable[[], None]) -> None:
    """Do something apart from orders, once this is committed; at once where no teller runs.

    Of several under one key, not yet done, the last is.
    """
    if _RUNNING.is_set():
        transaction.on_commit(lambda: _LATER.update({key: act}), robust=True)
    else:
        act()


def _do_one_waiting() -> None:
    """Do the oldest of what waits: the next change is not to wait for all of it."""
    key = next(iter(list(_LATER)), None)
    act = _LATER.pop(key, None) if key is not None else None
    if act is not None:
        act()


def note_all() -> int:
    """Note every book of every team, as after a start: somebody may have missed a message."""
    found = 0
    for team_id in accounts.list_team_ids():
        for _, book in selectors.find_books(team_id=team_id):
            _leave(f"{team_id} {book.subject}")
            found += 1
    return found


def tell_changes(*, clock: Callable[[], datetime]) -> Told:
    """Measure the books that changed, tell them, and say how long that took.

    Each on its own topic, ``account.<id>``, and the team's as a whole on ``risk``. A team that
    can't be measured holds up no other. Raises ``redis.RedisError`` when Redis is away.
    """
    began, changed = time.perf_counter(), _take()
    messages = 0
    for team_id in sorted(changed):
        try:
            messages += _tell_team(team_id, set(changed[team_id]), clock)
        except LabError as error:
            log.warning("risk.live_failed", team=team_id, error=error.code)
    if not changed:
        return Told(0, 0, 0.0, 0.0)
    oldest = min(stamp for stamps in changed.values() for stamp in stamps.values())
    told = Told(
        messages,
        len(changed),
        max(0.0, _redis_time() - oldest),
        time.perf_counter() - began,
    )
    _keep(told, clock())
    return told


def _redis_time() -> float:
    seconds, micros = client().time()
    return float(seconds) + float(micros) / 1e6


def _take() -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = defaultdict(dict)
    rows = client().eval(TAKE, 1, CHANGED)
    for field, stamp in zip(rows[::2], rows[1::2], strict=True):
        team, _, subject = field.decode().partition(" ")
        found[int(team)][subject] = float(stamp)
    return dict(found)


def _tell_team(team_id: int, subjects: Iterable[str], clock: Callable[[], datetime]) -> int:
    state = selectors.live_state(team_id=team_id)
    at, wanted = clock().isoformat(), set(subjects)
    told = 0
    for book in state["books"]:
        if book["subject"] in wanted:
            topic = f"account.{book['account_id']}"
            events.emit(
                team_id=team_id, topic=topic, kind=LIVE_CHANGED, data={"at": at, "book": book}
            )
            told += 1
    data = {**state, "at": at, "books": [_short(book) for book in state["books"]]}
    events.emit(team_id=team_id, topic=TOPIC, kind=LIVE_CHANGED, data=data)
    return told + 1


def _short(book: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in book.items() if name not in ONE_BY_ONE}


def _keep(told: Told, now: datetime) -> None:
    body = {
        "at": now.isoformat(),
        "lag": told.lag,
        "seconds": told.seconds,
        "messages": told.messages,
        "teams": told.teams,
    }
    client().set(TOLD, orjson.dumps(body), ex=TOLD_SECONDS)


def note_watch(*, now: datetime) -> None:
    """Leave word that the emergency stops were looked at; nobody's act, so not in the trail."""
    try:
        client().set(WATCHED, now.timestamp(), ex=TOLD_SECONDS)
    except redis.RedisError as error:
        log.warning("risk.watch_unnoted", error=repr(error))


class Teller:
    """Turns of the thread that tells live risk; survives a database or a Redis that goes away.

    Parameters
    ----------
    clock
        Tells the time.
    wait
        Waits the given seconds, or less when the process is to stop; true when it is.
    per_second
        How often it measures at most.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        wait: Callable[[float], object],
        per_second: float = PER_SECOND,
    ) -> None:
        self.clock, self.wait = clock, wait
        self.shortest = 1.0 / per_second
        self.is_behind = True
        self.turns = 0

    def run(self) -> None:
        """Take turns until told to stop."""
        _RUNNING.set()
        try:
            while not self.wait(self.turn()):
                pass
        finally:
            _RUNNING.clear()
            _LATER.clear()
            connection.close()

    def turn(self) -> float:
        """Tell what changed; return the seconds until the next look."""
        began = time.monotonic()
        try:
            close_old_connections()
            if self.is_behind:
                note_all()
                self.is_behind = False
            told = tell_changes(clock=self.clock)
            _do_one_waiting()
        except (redis.RedisError, OperationalError, InterfaceError) as error:
            log.warning("risk.live_away", error=repr(error))
            self.is_behind = True
            return RETRY_SECONDS
        except Exception:
            log.exception("risk.live_turn_failed")
            return RETRY_SECONDS
        if not told.teams:
            return LOOK_SECONDS
        self.turns += 1
        # At most half of the time goes into measuring, the rest is for orders.
        taken = time.monotonic() - began
        return max(LOOK_SECONDS, self.shortest - taken, min(taken, 2 * self.shortest))


def start_teller(*, clock: Callable[[], datetime], stop: threading.Event) -> threading.Thread:
    """Start the thread that tells live risk until ``stop`` is set."""
    teller = Teller(clock, stop.wait)
    thread = threading.Thread(target=teller.run, name="live-risk", daemon=True)
    thread.start()
    return thread
