"""REST operations of backtests: each module puts its own on the router."""

from apps.backtests.api import (
    artifacts,
    comparisons,
    doctor,
    gauntlets,
    listing,
    marks,
    reshuffles,
    runs,
    sheets,
    trials,
    validations,
)
from apps.backtests.api.router import router

__all__ = [
    "artifacts",
    "comparisons",
    "doctor",
    "gauntlets",
    "listing",
    "marks",
    "reshuffles",
    "router",
    "runs",
    "sheets",
    "trials",
    "validations",
]
