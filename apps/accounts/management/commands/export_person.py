"""Write down what the lab holds about a person: ``manage.py export_person EMAIL``."""

from __future__ import annotations

import sys
from typing import Any

import orjson
from django.core.management import BaseCommand, CommandParser

from apps.accounts import selectors
from apps.core.errors import LabError


class Command(BaseCommand):
    """Prints it as JSON."""

    help = "Print as JSON what the lab holds about a person"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = selectors.export_person(options["email"])
        except LabError as error:
            self.stderr.write(error.message)
            sys.exit(2)
        self.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
