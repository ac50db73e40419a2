"""Housekeeping of trading."""

from __future__ import annotations

from celery import shared_task

from apps.core import clock
from apps.trading import services


@shared_task(name="trading.finish_halts")
def finish_halts() -> int:
    """Finish halts that a crash left half done."""
    return services.finish_halts(now=clock.now())


@shared_task(name="trading.watch_stops")
def watch_stops() -> int:
    """Look at the teams' emergency stops, end cool-downs, take back what would open something."""
    return services.watch_stops(now=clock.now())
