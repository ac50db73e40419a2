"""REST operations of backtests: each module puts its own on the router."""

from apps.backtests.api import gauntlets, reshuffles, runs, sheets, trials
from apps.backtests.api.router import router

__all__ = ["gauntlets", "reshuffles", "router", "runs", "sheets", "trials"]
