"""REST operations of market."""

from ninja import Router

router = Router(tags=["market"])
