"""How often a caller may ask: counted per minute in Redis; without Redis nobody is refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
import structlog
from django.conf import settings

from apps.core.live import client

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
PAUSE = timedelta(seconds=5)
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


class Counter:
    """Counts requests; keeps off Redis for a moment after it failed."""

    def __init__(self) -> None:
        self.away_until: datetime | None = None

    def spend(self, caller: str, *, now: datetime) -> Allowance:
        """Count one request of ``caller`` and return what is left."""
        limit = settings.API_RATE_PER_MINUTE
        minute, spent = divmod(int(now.timestamp()), WINDOW_SECONDS)
        used = self._count(f"rate:{caller}:{minute}", now)
        return Allowance(limit, max(limit - used, 0), WINDOW_SECONDS - spent, used > limit)

    def _count(self, key: str, now: datetime) -> int:
        if self.away_until and now < self.away_until:
            return 0
        try:
            with client().pipeline(transaction=False) as pipe:
                pipe.incr(key)
                pipe.expire(key, 2 * WINDOW_SECONDS)
                return int(pipe.execute()[0])
        except redis.RedisError as error:
            log.warning("rates.not_counted", error=repr(error))
            self.away_until = now + PAUSE
            return 0


counter = Counter()
