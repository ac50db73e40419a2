"""``manage.py indicator NAME FILE``: an indicator's values, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.backtests import selectors
from apps.core.errors import LabError


class Command(BaseCommand):
    help = "Print an indicator of every instrument of a tidy file of bars as JSON."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="such as rsi, bb, supertrend, or a function of TA-Lib")
        parser.add_argument(
            "file", help="CSV or Parquet: symbol, ts, open, high, low, close, volume"
        )
        parser.add_argument("--param", action="append", default=[], metavar="K=V", nargs="+")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["file"])
        words = [word for group in options["param"] for word in group]
        try:
            params = selectors.read_params(words)
            found = selectors.indicator_file(options["name"], path.read_bytes(), path.name, params)
        except OSError as error:
            message = f"{path} can't be read: {error.strerror}."
            raise CommandError(message, returncode=2) from error
        except LabError as error:
            raise CommandError(f"{error.message} [{error.code}]", returncode=2) from error
        self.stdout.write(json.dumps(found, allow_nan=False))
