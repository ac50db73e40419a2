"""What every door declares: the permission it asks for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from apps.core.errors import Denied

PUBLIC = "public"


def permission(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let only actors with ``name`` through the decorated view or REST operation.

    ``request.actor`` is set by the accounts middleware (pages) or the REST authentication. The
    name is kept on the function so that a test can list every door with its permission.
    """

    def decorate(door: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(door)
        def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
            if name != PUBLIC:
                actor = getattr(request, "actor", None)
                if actor is None:
                    raise Denied("Sign in first.", code="denied.signed_out")
                actor.require(name)
            return door(request, *args, **kwargs)

        guarded.permission = name  # type: ignore[attr-defined]
        return guarded

    return decorate
