"""Run a file in the sandbox by hand, with no team, no database and no approval about it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.errors import LabError
from apps.strategies.selectors import try_file

ENDED = {"ok": 0, "blocked_no_isolation": 3}


class Command(BaseCommand):
    """``manage.py sandbox FILE.py [--data FILE]``."""

    help = (
        "Run a Python file in the sandbox and print as JSON what it printed and how it ended; "
        "exit 1 where it failed or was stopped, 3 where the sandbox does not hold."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a file, and data for it."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--data", type=Path, help="CSV, Parquet or Arrow: arrays in `data`")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it and print."""
        file, data = options["file"], options["data"]
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
            if data is not None:
                data.open("rb").close()
            found = try_file(text, file.name, data)
        except OSError as error:
            message = f"{error.filename or file} can't be read: {error.strerror}."
            raise CommandError(message, returncode=2) from error
        except LabError as error:
            raise CommandError(f"{error.message} [{error.code}]", returncode=2) from error
        self.stdout.write(json.dumps(found, allow_nan=False))
        sys.exit(ENDED.get(found["status"], 1))
