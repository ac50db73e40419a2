"""REST operations of ops."""

from ninja import Router

router = Router(tags=["ops"])
