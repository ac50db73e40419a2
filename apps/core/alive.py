"""Processes tell that they live: a key in Redis that fades when they stop telling."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import redis
import structlog

from apps.core.live import client

log = structlog.get_logger(__name__)

PREFIX = "alive:"
FADES_AFTER_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Process:
    """A process seen lately: its kind (worker, scheduler, stream, sequencer), name and words."""

    kind: str
    name: str
    at: datetime
    detail: dict[str, Any]


def tell(kind: str, name: str, *, now: datetime, **detail: Any) -> bool:
    """Say that the process ``name`` of ``kind`` lives; tell whether Redis heard it."""
    body = orjson.dumps({"at": now.isoformat(), "detail": detail})
    try:
        client().set(f"{PREFIX}{kind}:{name}", body, ex=FADES_AFTER_SECONDS)
    except redis.RedisError as error:
        log.warning("alive.untold", kind=kind, error=repr(error))
        return False
    return True


def list_processes() -> list[Process]:
    """Return the processes that told lately. Raises ``redis.RedisError`` when Redis is away."""
    keys = sorted(client().scan_iter(match=f"{PREFIX}*", count=200))
    values = client().mget(keys) if keys else []
    return [
        _process(key.decode(), value) for key, value in zip(keys, values, strict=True) if value
    ]


def _process(key: str, value: bytes) -> Process:
    _, kind, name = key.split(":", 2)
    body = orjson.loads(value)
    return Process(kind, name, datetime.fromisoformat(body["at"]), body["detail"])
