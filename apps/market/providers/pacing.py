"""A vendor's limits kept: wait for a token, pause when the vendor says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime

from apps.core import clock
from apps.core.errors import Denied, Invalid, LabError, NotFound, Unavailable
from apps.core.kernel.limits import Gate, Limit, LocalGate

# Longer than the minute in which most vendors count, shorter than what a job may be silent for.
PATIENCE_SECONDS = 70.0
RETRY_SECONDS = 5.0
MAX_RETRY_SECONDS = 86_400.0
PASSING = {408, 409, 418, 423, 425}  # below 500, and yet over after a while


@dataclass(frozen=True, slots=True)
class Timing:
    """Where a provider reads the time, how it waits, and who counts its requests."""

    now: Callable[[], datetime] = clock.now
    sleep: Callable[[float], None] = time.sleep
    gate: Gate = field(default_factory=LocalGate)


@dataclass(frozen=True, slots=True)
class Pacer:
    """The tokens of one provider and key."""

    provider: str
    limits: Sequence[Limit]
    key: Mapping[str, str] = field(repr=False)
    timing: Timing

    def wait(self, cost: int = 1) -> None:
        """Take ``cost`` tokens, waiting for them. Raises ``Unavailable`` for long waits."""
        while seconds := self._take(cost):
            if seconds > PATIENCE_SECONDS:
                message = f"The limit of {self.provider} is used up for {seconds:.0f} s; wait."
                raise Unavailable(message, code="provider.limited", retry_after=seconds)
            self.timing.sleep(seconds)

    def _take(self, cost: int) -> float:
        gate, now = self.timing.gate, self.timing.now()
        return gate.take(self.provider, self.key, self.limits, now=now, cost=cost)

    def pause(self, seconds: float) -> None:
        """Let nobody ask with this key for a while."""
        gate, now = self.timing.gate, self.timing.now()
        gate.pause(self.provider, self.key, seconds, now=now)

    def refusal(self, status: int, said: str = "", retry_after: str | None = None) -> LabError:
        """Return the error of an HTTP status; after 429 the pause has begun."""
        name, said = self.provider, scrub(said, self.key)
        if status == 429:
            shortest = min((limit.seconds for limit in self.limits), default=RETRY_SECONDS)
            seconds = retry_seconds(retry_after, self.timing.now(), shortest)
            self.pause(seconds)
            message = f"{name} takes no more requests for {seconds:.0f} s. {said}".strip()
            return Unavailable(message, code="provider.limited", retry_after=seconds)
        if status == 402 or (status == 403 and "subscription" in said.lower()):
            message = f"The plan behind the key of {name} lacks this (HTTP {status}). {said}"
            return Invalid(message.strip(), code="provider.plan")
        if status in {401, 403}:
            message = f"{name} does not take the key (HTTP {status}); enter a good one. {said}"
            return Denied(message.strip(), code="provider.auth")
        if status == 404:
            return NotFound(f"{name} does not know this. {said}".strip(), code="symbol.unknown")
        if 400 <= status < 500 and status not in PASSING:
            message = f"{name} refused the request (HTTP {status}). {said}"
            return Invalid(message.strip(), code="provider.refused")
        return down(name, f"answered HTTP {status}", retry_seconds(retry_after, self.timing.now()))


def down(provider: str, what: str, retry_after: float = RETRY_SECONDS) -> Unavailable:
    """Return the error of a vendor that can't answer now."""
    message = f"{provider} {what}; try again later."
    return Unavailable(message, code="provider.down", retry_after=retry_after)


def retry_seconds(
    text: str | None, now: datetime | None = None, otherwise: float = RETRY_SECONDS
) -> float:
    """Return the wait of a Retry-After header, seconds or a date; ``otherwise`` without one."""
    try:
        seconds = float(text or otherwise)
    except ValueError:
        seconds = _until(text or "", now, otherwise)
    return min(max(seconds, 0.0), MAX_RETRY_SECONDS) if seconds == seconds else otherwise


def _until(text: str, now: datetime | None, otherwise: float) -> float:
    if now is None:
        return otherwise
    try:
        return (parsedate_to_datetime(text) - now).total_seconds()
    except (TypeError, ValueError):
        return otherwise


def scrub(text: str, key: Mapping[str, str]) -> str:
    """Return a vendor's words, short and without the key in them."""
    for value in key.values():
        if value:
            text = text.replace(value, "…")
    return " ".join(text.split())[:200]
