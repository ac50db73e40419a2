"""Resume a halted scope from the command line: needs the database only."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError

from apps.core import clock
from apps.core.actors import system
from apps.core.errors import LabError
from apps.core.rest import to_json
from apps.trading import selectors, services


class Command(BaseCommand):
    help = "Let a halted scope trade again; a reason is asked for and kept in the trail."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("scope")
        parser.add_argument("--reason", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        reason = options["reason"]
        if not reason and sys.stdin.isatty():
            reason = input("Reason to resume: ")
        try:
            row = services.resume(
                actor=system("command-line"),
                scope=options["scope"],
                reason=reason,
                now=clock.now(),
            )
        except OperationalError as error:
            words = "The database does not answer; nothing was changed. Start the lab, or look at"
            self.stderr.write(f"{words} its log: {error}")
            sys.exit(1)
        except LabError as error:
            self.stderr.write(f"{error.message} [{error.code}]")
            sys.exit(2 if error.status < 500 else 1)
        self.stdout.write(to_json(selectors.halt_json(row)).decode())
