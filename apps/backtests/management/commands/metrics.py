"""``manage.py metrics FILE``: figures of return columns, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.backtests import selectors
from apps.core.errors import LabError


class Command(BaseCommand):
    help = "Print the figures of every return column of a CSV or Parquet file as JSON."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file")
        parser.add_argument("--benchmark", default="", metavar="COL")
        parser.add_argument("--rf", default="0", metavar="COL|NUMBER")
        parser.add_argument("--periods", type=float, default=None, metavar="N")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["file"])
        try:
            figures, notes = selectors.measure_file(
                path.read_bytes(),
                path.name,
                benchmark=options["benchmark"],
                rf=options["rf"],
                periods=options["periods"],
            )
        except OSError as error:
            message = f"{path} can't be read: {error.strerror}."
            raise CommandError(message, returncode=2) from error
        except LabError as error:
            raise CommandError(error.message, returncode=2) from error
        for note in notes:
            self.stderr.write(note)
        self.stdout.write(json.dumps(figures, allow_nan=False))
