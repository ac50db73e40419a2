"""Halt a scope from the command line: needs the database only."""

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
    help = "Stop trading of deployment:<id>, account:<id>, team:<id> or all, at once."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("scope")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            row = services.halt(
                actor=system("command-line"),
                scope=options["scope"],
                reason=options["reason"],
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
