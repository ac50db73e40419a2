"""Compile the engine's loops once, so that the first run waits for nothing."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand

from apps.backtests.kernel.warming import warm


class Command(BaseCommand):
    help = "Compile the engine's loops into the cache on disk; a second call is quick."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and tell how long it took."""
        began = time.perf_counter()
        warm()
        self.stdout.write(f"Compiled, or found compiled, in {time.perf_counter() - began:.1f} s")
