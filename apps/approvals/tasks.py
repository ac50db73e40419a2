"""Housekeeping of approvals."""

from __future__ import annotations

from celery import shared_task

from apps.approvals import services
from apps.core import clock


@shared_task(name="approvals.expire")
def expire() -> int:
    """Close the proposals that nobody decided in time."""
    return services.expire_old(now=clock.now())
