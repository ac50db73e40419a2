"""Help a person who lost their factors: ``manage.py reset_factors EMAIL --reason TEXT``."""

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
    """Removes passkeys, one-time codes and recovery codes; prints how many of each."""

    help = (
        "Remove a person's second factors and end their sessions and tokens, "
        "after an administrator has seen them in person; they are told by mail"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument(
            "--reason",
            required=True,
            help="who asked, and how it was made sure who they are; stays in the ledger for ever",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        email, reason = options["email"], options["reason"]
        actor, now = system("reset_factors"), clock.now()
        try:
            counts = services.reset_factors(actor=actor, email=email, reason=reason, now=now)
        except LabError as error:
            self.stderr.write(error.message)
            sys.exit(2)
        self.stdout.write(json.dumps(counts))
