"""``manage.py verify_sheet FILE``: of which run a file is, and whether it is unchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.backtests.charts.sheets import sheet_figures
from apps.backtests.selectors.exports import verify_file
from apps.core.errors import LabError


class Command(BaseCommand):
    help = "Print of which run an exported HTML, PDF, CSV or Parquet file is, and if unchanged."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["file"])
        try:
            found = verify_file(path.read_bytes(), path.name, sheet_figures)
        except OSError as error:
            message = f"{path} can't be read: {error.strerror}."
            raise CommandError(message, returncode=2) from error
        except LabError as error:
            raise CommandError(error.message, returncode=2) from error
        self.stdout.write(json.dumps(found))
