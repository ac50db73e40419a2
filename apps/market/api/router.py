"""The one router that the operations of market are put on."""

from __future__ import annotations

from ninja import Router

router = Router(tags=["market"])
