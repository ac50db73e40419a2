"""Forget a person: ``manage.py erase_person EMAIL --yes``; proofs of what was done stay."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management import BaseCommand, CommandParser

from apps.accounts import services
from apps.core import clock
from apps.core.actors import system
from apps.core.errors import LabError


class Command(BaseCommand):
    """Erases address, name and every way in; prints how many rows changed."""

    help = (
        "Erase a person's data; what they did stays under a number, and the ledger's proofs hold"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--yes", action="store_true", required=True, help="it can't be undone")

    def handle(self, *args: Any, **options: Any) -> None:
        actor, now = system("erase_person"), clock.now()
        try:
            counts = services.erase_person(actor=actor, email=options["email"], now=now)
        except LabError as error:
            self.stderr.write(error.message)
            sys.exit(2)
        self.stdout.write(json.dumps(counts))
