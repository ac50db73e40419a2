"""Periodic work of ops."""

from __future__ import annotations

from celery import shared_task

from apps.core import clock
from apps.ops import services


@shared_task(name="ops.sample_health")
def sample_health() -> str:
    """Store how every subsystem is."""
    return services.sample_health(now=clock.now())
