"""Housekeeping of approvals."""

from __future__ import annotations

from celery import shared_task

from apps.approvals import services
from apps.core import clock


@shared_task(name="approvals.expire")
def expire() -> int:
    """Close the proposals that nobody decided in time, and end approvals that are over."""
    now = clock.now()
    return services.expire_old(now=now) + services.lapse_old(now=now)
