"""Make the first administrator: ``manage.py create_admin EMAIL --team NAME``."""

from __future__ import annotations

import getpass
import json
import sys
from typing import Any

from django.core.management import BaseCommand, CommandParser

from apps.accounts import services
from apps.core import clock
from apps.core.actors import system
from apps.core.errors import LabError


class Command(BaseCommand):
    """Stores an administrator, and the team when it is new; asks for the password."""

    help = "Make the first administrator of a team; the password is asked for or read from stdin"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--team", required=True, help="name of the team, made when new")

    def handle(self, *args: Any, **options: Any) -> None:
        asks = sys.stdin.isatty()
        password = getpass.getpass("Password: ") if asks else sys.stdin.readline().rstrip("\n")
        try:
            services.create_admin(
                actor=system("create_admin"),
                email=options["email"],
                team=options["team"],
                password=password,
                now=clock.now(),
            )
        except LabError as error:
            self.stderr.write(error.message)
            sys.exit(2)
        made = {"email": options["email"], "role": "admin", "team": options["team"]}
        self.stdout.write(json.dumps(made))
