"""What every page's frame shows, read only when a page draws its frame."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.core import clock
from apps.dashboard import selectors


def frame_context(request: HttpRequest) -> dict[str, Any]:
    """Give templates ``frame``: decisions waiting, open alerts, the feed's clock."""
    actor = getattr(request, "actor", None)
    if actor is None or actor.team_id is None:
        return {"frame": {}}
    return {"frame": SimpleLazyObject(lambda: selectors.frame(actor=actor, now=clock.now()))}
