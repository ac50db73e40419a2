"""The router that all operations of backtests are on."""

from ninja import Router

router = Router(tags=["backtests"])
