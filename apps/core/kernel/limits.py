"""How often somebody may be asked: tokens that come back, counted in one process."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

MICROS = 1_000_000
SHARE = 4


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``requests`` in any ``seconds``, counted over all workers and per key."""

    requests: int
    seconds: float

    @property
    def micros(self) -> int:
        """The stretch in microseconds."""
        return round(self.seconds * MICROS)

    @property
    def share(self) -> Limit:
        """What one process may use of it when it can't know what the others do."""
        size = max(self.requests // SHARE, 1)
        return Limit(size, self.seconds * max(SHARE * size / self.requests, 1.0))


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a limit; ``reset_seconds`` until all of it is there again."""

    limit: Limit
    remaining: int
    reset_seconds: float


class Gate(Protocol):
    """Hands out the tokens of a provider's key."""

    def take(
        self,
        provider: str,
        key: Mapping[str, str],
        limits: Sequence[Limit],
        *,
        now: datetime,
        cost: int = 1,
    ) -> float:
        """Take tokens and return 0, or return the seconds to wait before asking again."""
        ...

    def pause(
        self, provider: str, key: Mapping[str, str], seconds: float, *, now: datetime
    ) -> None:
        """Hand out nothing for a while."""
        ...


@dataclass(slots=True)
class Tokens:
    """The buckets of one process by name; times in microseconds."""

    taken: dict[tuple[str, Limit], deque[int]] = field(default_factory=lambda: defaultdict(deque))
    paused: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, name: str, limits: Sequence[Limit], now: int, cost: int) -> int:
        """Take tokens at this process's share of the rate, or return the wait."""
        with self.lock:
            wait = max(self.paused.get(name, 0) - now, 0)
            for limit in limits:
                wait = max(wait, self._wait(name, limit, now, cost))
            if not wait:
                self._note(name, limits, now, cost)
            return wait

    def note(self, name: str, limits: Sequence[Limit], now: int, cost: int) -> None:
        """Remember tokens that were taken elsewhere for this process."""
        with self.lock:
            self._note(name, limits, now, cost)

    def pause(self, name: str, until: int) -> None:
        """Hand out nothing until then; a pause that ends later stays."""
        with self.lock:
            self.paused[name] = max(until, self.paused.get(name, 0))

    def _wait(self, name: str, limit: Limit, now: int, cost: int) -> int:
        share = limit.share
        last = share.requests - min(cost, share.requests)
        taken = self.taken[name, limit]
        return max(taken[last] + share.micros - now, 0) if len(taken) > last else 0

    def _note(self, name: str, limits: Sequence[Limit], now: int, cost: int) -> None:
        for limit in limits:
            taken = self.taken[name, limit]
            stamp = max(now, taken[0]) if taken else now
            taken.extendleft([stamp] * min(cost, limit.requests))
            while len(taken) > limit.requests:
                taken.pop()


@dataclass(slots=True)
class LocalGate:
    """A gate for one process alone: a quarter of each limit."""

    tokens: Tokens = field(default_factory=Tokens, repr=False)

    def take(
        self,
        provider: str,
        key: Mapping[str, str],
        limits: Sequence[Limit],
        *,
        now: datetime,
        cost: int = 1,
    ) -> float:
        """Take tokens and return 0, or return the seconds to wait before asking again."""
        name = _name(provider, key)
        return self.tokens.take(name, limits, micros_of(now), cost) / MICROS

    def pause(
        self, provider: str, key: Mapping[str, str], seconds: float, *, now: datetime
    ) -> None:
        """Hand out nothing for a while."""
        name = _name(provider, key)
        self.tokens.pause(name, micros_of(now) + int(seconds * MICROS))


def _name(provider: str, key: Mapping[str, str]) -> str:
    """Return the bucket of a key, of which nothing can be read."""
    return f"{provider}:{hashlib.sha256(repr(sorted(key.items())).encode()).hexdigest()}"


def micros_of(now: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return round(now.timestamp() * MICROS)


def quota_of(limit: Limit, stamps: Sequence[int], until: int, now: int) -> Quota:
    """Return what is left of a limit after takings (newest first) and a pause ``until``."""
    fresh = [stamp for stamp in stamps if stamp + limit.micros > now]
    reset = max(fresh[0] + limit.micros - now, 0) if fresh else 0
    remaining = 0 if until > now else limit.requests - len(fresh)
    return Quota(limit, remaining, max(reset, until - now, 0) / MICROS)
