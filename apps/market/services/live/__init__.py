"""Live feeds: made and switched by people, held by one process, written as bars close."""

from apps.market.services.live.running import LiveFeeds
from apps.market.services.live.switching import (
    create_live_feed,
    delete_live_feed,
    start_live_feed,
    stop_live_feed,
)

__all__ = [
    "LiveFeeds",
    "create_live_feed",
    "delete_live_feed",
    "start_live_feed",
    "stop_live_feed",
]
