"""REST operations of risk."""

from ninja import Router

router = Router(tags=["risk"])
