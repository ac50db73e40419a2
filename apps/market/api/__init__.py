"""REST operations of market: each module puts its own on the router."""

from apps.market.api import (
    feeds,
    health,
    ingests,
    instruments,
    keys,
    reference,
    revisions,
    universes,
    uploads,
)
from apps.market.api.router import router

__all__ = [
    "feeds",
    "health",
    "ingests",
    "instruments",
    "keys",
    "reference",
    "revisions",
    "router",
    "universes",
    "uploads",
]
