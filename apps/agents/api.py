"""REST operations of agents."""

from ninja import Router

router = Router(tags=["agents"])
