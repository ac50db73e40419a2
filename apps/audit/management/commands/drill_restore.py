"""Try whether a backup would bring the lab back."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.services import drills
from apps.core import clock
from apps.core.actors import system
from apps.core.errors import LabError


class Command(BaseCommand):
    help = (
        "Restore the newest backup into a database of its own, count rows, verify its ledger, "
        "drop it again, and record what was found. The lab must run. Exit 1: it is no good."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take another dump than the newest."""
        parser.add_argument("file", type=Path, nargs="?")

    def handle(self, *args: Any, **options: Any) -> None:
        """Drill and print what was found."""
        try:
            found = drills.drill(
                actor=system("command-line"), now=clock.now(), file=options["file"]
            )
        except (LabError, ValueError) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(json.dumps(asdict(found)))
        if found.problems:
            raise CommandError("; ".join(found.problems), returncode=1)
