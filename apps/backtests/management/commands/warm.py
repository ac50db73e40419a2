"""Compile the loops of engine and expressions once, so that the first run waits for nothing."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.backtests.kernel.warming import warm as warm_engine
from apps.strategies.kernel.warming import warm as warm_expressions

LOOPS = {"engine": warm_engine, "expressions": warm_expressions}


class Command(BaseCommand):
    help = "Compile the loops of engine and expressions into the cache on disk; then it is quick."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the name of some loops."""
        parser.add_argument("--only", choices=sorted(LOOPS), help="which; all of them without")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and tell how long it took."""
        began = time.perf_counter()
        for name in [options["only"]] if options["only"] else LOOPS:
            LOOPS[name]()
        self.stdout.write(f"Compiled, or found compiled, in {time.perf_counter() - began:.1f} s")
