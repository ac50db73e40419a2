"""The cache, which outlives its server: without Redis each process remembers for itself.

What the lab keeps here are counts of sign-in attempts; losing the server must neither lock
people out nor let guessing go uncounted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
import structlog
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

log = structlog.get_logger(__name__)


class FallbackCache(RedisCache):
    """Redis while it answers, this process's memory while it does not."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self.spare = LocMemCache("fallback", params)

    def _try(self, name: str, *args: Any, **kwargs: Any) -> Any:
        first: Callable[..., Any] = getattr(super(), name)
        try:
            return first(*args, **kwargs)
        except redis.RedisError as error:
            log.warning("cache.redis_away", error=repr(error))
            return getattr(self.spare, name)(*args, **kwargs)

    def add(self, *args: Any, **kwargs: Any) -> Any:
        """Store a value unless there is one."""
        return self._try("add", *args, **kwargs)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Return a value."""
        return self._try("get", *args, **kwargs)

    def set(self, *args: Any, **kwargs: Any) -> Any:
        """Store a value."""
        return self._try("set", *args, **kwargs)

    def touch(self, *args: Any, **kwargs: Any) -> Any:
        """Give a value a new time to live."""
        return self._try("touch", *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        """Forget a value."""
        return self._try("delete", *args, **kwargs)

    def incr(self, *args: Any, **kwargs: Any) -> Any:
        """Add to a count."""
        return self._try("incr", *args, **kwargs)

    def has_key(self, *args: Any, **kwargs: Any) -> Any:
        """Tell whether there is a value."""
        return self._try("has_key", *args, **kwargs)

    def get_many(self, *args: Any, **kwargs: Any) -> Any:
        """Return several values."""
        return self._try("get_many", *args, **kwargs)

    def set_many(self, *args: Any, **kwargs: Any) -> Any:
        """Store several values."""
        return self._try("set_many", *args, **kwargs)

    def delete_many(self, *args: Any, **kwargs: Any) -> Any:
        """Forget several values."""
        return self._try("delete_many", *args, **kwargs)
