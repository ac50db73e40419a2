"""The sandbox tried again and again: what was found goes into the trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.core.actors import system
from apps.strategies import selectors

SUBJECT = "sandbox:default"


def check_isolation(*, now: datetime) -> dict[str, Any]:
    """Let the canary try to break out, and record where it came; a leak blocks every process.

    Each process of the lab tries for itself before it runs a text, and again when this found
    something missing.
    """
    status = selectors.sandbox_status(fresh=True)
    body = {
        "tier": status.tier,
        "why": status.why,
        "guard": status.guard,
        "uid": status.uid,
        "kernel": selectors.kernel_release(),
        "fences": status.fences,
        "came_through": sorted(name for name, held in status.checks.items() if not held),
    }
    action = "sandbox.checked" if status.holds else "sandbox.blocked"
    with transaction.atomic():
        record(actor=system("sandbox"), action=action, subject=SUBJECT, body=body, now=now)
    return body
