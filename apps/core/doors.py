"""What every door declares: the permission it asks for."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.urls import URLPattern

from apps.core.errors import Unauthenticated

PUBLIC = "public"


def permission(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let only actors with ``name`` through the decorated view or REST operation.

    ``request.actor`` is set by the accounts middleware, from a session or a bearer token. The name
    is kept on the function so that a test can list every door with its permission.
    """

    def decorate(door: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(door)
        def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
            if name != PUBLIC:
                signed_in(request).require(name)
            return door(request, *args, **kwargs)

        guarded.permission = name  # type: ignore[attr-defined]
        # ninja resolves text annotations in the wrapper's module, which lacks the door's names.
        with contextlib.suppress(NameError):
            guarded.__signature__ = inspect.signature(door, eval_str=True)  # type: ignore[attr-defined]
        return guarded

    return decorate


def signed_in(request: Any) -> Any:
    """Return who asks. Raises ``Unauthenticated`` when nobody has signed in."""
    actor = getattr(request, "actor", None)
    if actor is None:
        error = getattr(request, "auth_error", None)
        raise error or Unauthenticated(
            "Nobody has signed in; sign in or send an API token.", code="unauthenticated"
        )
    return actor


def in_transactions(included: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    """Let each page of an ``include`` act in one transaction; for pages that aren't ours.

    What their receivers record is then kept or undone together with what the page changed.
    """
    module = included[0]
    _wrap(getattr(module, "urlpatterns", module))
    return included


def _wrap(patterns: Any) -> None:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            pattern.callback = transaction.atomic(pattern.callback)
        else:
            _wrap(pattern.url_patterns)
