"""How often the lab may ask others: tokens in Redis, shared by all workers.

A bucket holds ``requests`` tokens; each comes back ``seconds`` after it was taken, so that no
stretch of that length ever sees more. Without Redis each process counts alone, at a quarter of
the rate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import redis
import structlog
from django.conf import settings

from apps.core.kernel.limits import MICROS, Limit, Quota, Tokens, micros_of, quota_of
from apps.core.live import client

log = structlog.get_logger(__name__)

# KEYS: the pause, then a list per limit with the newest taking first. ARGV: now, cost, then
# requests and length of each limit. Answers the wait in microseconds; 0 when the tokens are taken.
TAKE = """
local now, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local wait = 0
local pause = tonumber(redis.call('GET', KEYS[1]) or '0')
if pause > now then wait = pause - now end
for i = 2, #KEYS do
  local size, length = tonumber(ARGV[i * 2 - 1]), tonumber(ARGV[i * 2])
  local need = math.min(cost, size)
  local taken = tonumber(redis.call('LINDEX', KEYS[i], size - need) or '-1')
  if taken >= 0 and taken + length > now then wait = math.max(wait, taken + length - now) end
end
if wait > 0 then return wait end
for i = 2, #KEYS do
  local size, length = tonumber(ARGV[i * 2 - 1]), tonumber(ARGV[i * 2])
  local newest = tonumber(redis.call('LINDEX', KEYS[i], 0) or '0')
  local stamp = string.format('%.0f', math.max(now, newest))
  for _ = 1, math.min(cost, size) do redis.call('LPUSH', KEYS[i], stamp) end
  redis.call('LTRIM', KEYS[i], 0, size - 1)
  redis.call('PEXPIRE', KEYS[i], math.ceil(length / 1000) + 60000)
end
return 0
"""

local = Tokens()


class SharedGate:
    """The gate of all workers of the lab."""

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
        return take(name_of(provider, key), limits, now=now, cost=cost)

    def pause(
        self, provider: str, key: Mapping[str, str], seconds: float, *, now: datetime
    ) -> None:
        """Hand out nothing for a while."""
        pause(name_of(provider, key), seconds, now=now)


def name_of(provider: str, key: Mapping[str, str]) -> str:
    """Return the bucket of a provider's key; the key can't be read from it."""
    text = "\n".join(f"{field}={key[field]}" for field in sorted(key))
    salt = hashlib.sha256(settings.SECRET_KEY.encode()).digest()
    return f"{provider}:{hashlib.blake2b(text.encode(), key=salt, digest_size=10).hexdigest()}"


def take(name: str, limits: Sequence[Limit], *, now: datetime, cost: int = 1) -> float:
    """Take ``cost`` tokens of every limit; return 0, or the seconds to wait before asking again.

    Parameters
    ----------
    name
        The bucket, see ``name_of``.
    cost
        How many requests the vendor counts for this one.
    """
    at = micros_of(now)
    sizes = [number for limit in limits for number in (limit.requests, limit.micros)]
    try:
        wait = int(_redis().eval(TAKE, len(limits) + 1, *_keys(name, limits), at, cost, *sizes))
    except redis.RedisError as error:
        log.warning("buckets.alone", bucket=name, error=type(error).__name__)
        return local.take(name, limits, at, cost) / MICROS
    if not wait:
        local.note(name, limits, at, cost)
    return wait / MICROS


def pause(name: str, seconds: float, *, now: datetime) -> None:
    """Hand out nothing for a while; a pause that ends later stays."""
    until = micros_of(now) + int(seconds * MICROS)
    local.pause(name, until)
    try:
        server = _redis()
        key = _keys(name, ())[0]
        if int(server.get(key) or 0) < until:
            server.set(key, until, px=max(int(seconds * 1000), 1) + 60_000)
    except redis.RedisError as error:
        log.warning("buckets.pause_alone", bucket=name, error=type(error).__name__)


def left(name: str, limits: Sequence[Limit], *, now: datetime) -> list[Quota]:
    """Return what is left of each limit."""
    try:
        server = _redis()
        paused, *lists = _keys(name, limits)
        taken = [[int(stamp) for stamp in server.lrange(key, 0, -1)] for key in lists]
        until = int(server.get(paused) or 0)
    except redis.RedisError:
        taken = [list(local.taken[name, limit]) for limit in limits]
        until = local.paused.get(name, 0)
    at = micros_of(now)
    return [quota_of(limit, row, until, at) for limit, row in zip(limits, taken, strict=True)]


def _redis() -> Any:
    if not settings.REDIS_URL:
        raise redis.ConnectionError("no Redis is set")
    return client()


def _keys(name: str, limits: Sequence[Limit]) -> list[str]:
    lists = [f"bucket:{{{name}}}:{limit.requests}/{limit.seconds:g}" for limit in limits]
    return [f"bucket:{{{name}}}:pause", *lists]
