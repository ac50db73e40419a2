"""REST operations of forecasts."""

from ninja import Router

router = Router(tags=["forecasts"])
