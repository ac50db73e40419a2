"""REST operations of approvals."""

from ninja import Router

router = Router(tags=["approvals"])
