"""``manage.py montecarlo FILE``: what other orders of a file's trades or bars come to, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.backtests import selectors
from apps.core.errors import LabError

OPTIONS = ("method", "n", "seed", "cash", "column", "periods")


class Command(BaseCommand):
    help = "Print drawdowns and growth over other orders of the trades or returns of a file."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="returns by time, or trades with a column pnl")
        parser.add_argument("--method", default="", metavar="shuffle|trades|bars")
        parser.add_argument("--paths", dest="n", type=int, default=None, metavar="N")
        parser.add_argument("--seed", type=int, default=None, metavar="N")
        parser.add_argument("--cash", type=float, default=100_000.0, metavar="N")
        parser.add_argument("--column", default="", metavar="COL")
        parser.add_argument("--periods", type=float, default=None, metavar="N")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["file"])
        asked = {name: options[name] for name in OPTIONS}
        try:
            found = selectors.reshuffle_file(path.read_bytes(), path.name, **asked)
        except OSError as error:
            message = f"{path} can't be read: {error.strerror}."
            raise CommandError(message, returncode=2) from error
        except LabError as error:
            raise CommandError(error.message, returncode=2) from error
        self.stdout.write(json.dumps(found, allow_nan=False))
