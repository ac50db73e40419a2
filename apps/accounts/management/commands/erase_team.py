"""Remove a team's data: ``manage.py erase_team SLUG --yes``; evidence and proofs stay."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management import BaseCommand, CommandParser

from apps.accounts import selectors, services
from apps.core import clock
from apps.core.actors import system
from apps.core.errors import LabError


class Command(BaseCommand):
    """Prints the tables that were emptied and those the database keeps as evidence."""

    help = "Erase a team: its data and its people; evidence stays without addresses"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--yes", action="store_true", required=True, help="it can't be undone")

    def handle(self, *args: Any, **options: Any) -> None:
        actor, now = system("erase_team"), clock.now()
        try:
            team = selectors.find_team(options["slug"])
            report = services.erase_team(actor=actor, team_id=team.id, now=now)
        except LabError as error:
            self.stderr.write(error.message)
            sys.exit(2)
        self.stdout.write(json.dumps(report))
