"""REST operations of trading."""

from ninja import Router

router = Router(tags=["trading"])
