"""How often a caller may ask: counted in Redis; without it each process counts alone."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
import structlog
from django.conf import settings

from apps.core.live import client

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
PAUSE = timedelta(seconds=5)
TELL_EVERY = timedelta(milliseconds=200)
MAX_CALLERS = 10_000
HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller may still ask in the present minute."""

    limit: int
    remaining: int
    reset_seconds: int
    exceeded: bool

    def headers(self) -> dict[str, str]:
        """Return the headers that tell the caller."""
        figures = (self.limit, self.remaining, self.reset_seconds)
        return {name: str(figure) for name, figure in zip(HEADERS, figures, strict=True)}


@dataclass(slots=True)
class Tally:
    """The requests of one caller in one minute: known of all processes, pending in this one."""

    minute: int
    known: int = 0
    pending: int = 0
    told_at: datetime | None = None


class Counter:
    """Counts requests: in this process at once, in Redis a few times a second per caller."""

    def __init__(self) -> None:
        self.tallies: dict[str, Tally] = {}
        self.away_until: datetime | None = None
        self.lock = threading.Lock()

    def spend(self, caller: str, *, now: datetime) -> Allowance:
        """Count one request of ``caller`` and return what is left."""
        limit = settings.API_RATE_PER_MINUTE
        minute, spent = divmod(int(now.timestamp()), WINDOW_SECONDS)
        with self.lock:
            used = self._count(caller, minute, now)
        return Allowance(limit, max(limit - used, 0), WINDOW_SECONDS - spent, used > limit)

    def _count(self, caller: str, minute: int, now: datetime) -> int:
        tally = self.tallies.get(caller)
        if tally is None or tally.minute != minute:
            if len(self.tallies) >= MAX_CALLERS:
                self.tallies.clear()
            tally = self.tallies[caller] = Tally(minute)
        tally.pending += 1
        if tally.told_at is None or now - tally.told_at >= TELL_EVERY:
            self._tell(f"rate:{caller}:{minute}", tally, now)
        return tally.known + tally.pending

    def _tell(self, key: str, tally: Tally, now: datetime) -> None:
        """Add what this process counted to Redis, and learn what others did."""
        if self.away_until and now < self.away_until:
            return
        try:
            with client().pipeline(transaction=False) as pipe:
                pipe.incrby(key, tally.pending)
                pipe.expire(key, 2 * WINDOW_SECONDS)
                tally.known, tally.pending = int(pipe.execute()[0]), 0
        except redis.RedisError as error:
            log.warning("rates.not_counted", error=repr(error))
            self.away_until = now + PAUSE
        tally.told_at = now


counter = Counter()
