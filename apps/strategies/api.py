"""REST operations of strategies."""

from ninja import Router

router = Router(tags=["strategies"])
