"""REST operations of market: each module puts its own on the router."""

from apps.market.api import (
    feeds,
    health,
    ingests,
    instruments,
    keys,
    live,
    reference,
    revisions,
    universes,
    uploads,
    versions,
)
from apps.market.api.router import router

__all__ = [
    "feeds",
    "health",
    "ingests",
    "instruments",
    "keys",
    "live",
    "reference",
    "revisions",
    "router",
    "universes",
    "uploads",
    "versions",
]
