"""Shut a person out at once, or let them in again: ``manage.py set_user EMAIL --disable``."""

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
    """Disables or enables a person in every team."""

    help = "Disable or enable a person: pages, tokens and sockets stop within seconds"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        choice = parser.add_mutually_exclusive_group(required=True)
        choice.add_argument("--disable", dest="active", action="store_false")
        choice.add_argument("--enable", dest="active", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        email, active = options["email"], options["active"]
        try:
            services.set_active(
                actor=system("set_user"), email=email, active=active, now=clock.now()
            )
        except LabError as error:
            self.stderr.write(error.message)
            sys.exit(2)
        self.stdout.write(json.dumps({"email": email, "active": active}))
