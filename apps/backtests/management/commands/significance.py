"""``manage.py significance FILE``: what the best of many trials is worth, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.backtests import selectors
from apps.core.errors import LabError


class Command(BaseCommand):
    help = "Print what the best return column of a CSV or Parquet file is worth after all of them."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file")
        parser.add_argument("--periods", type=float, default=None, metavar="N")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["file"])
        try:
            content = path.read_bytes()
            found = selectors.significance_file(content, path.name, periods=options["periods"])
        except OSError as error:
            message = f"{path} can't be read: {error.strerror}."
            raise CommandError(message, returncode=2) from error
        except LabError as error:
            raise CommandError(error.message, returncode=2) from error
        self.stdout.write(json.dumps(found, allow_nan=False))
