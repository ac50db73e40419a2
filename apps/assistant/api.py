"""REST operations of assistant."""

from ninja import Router

router = Router(tags=["assistant"])
