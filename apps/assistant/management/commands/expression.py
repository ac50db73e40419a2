"""``manage.py expression "rank(delta(close, 5))" FILE --out OUT.parquet``: values of a formula."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.assistant import selectors
from apps.core.errors import LabError


class Command(BaseCommand):
    help = "Evaluate an alpha expression on a tidy file of bars; print what it is as JSON."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("expression")
        parser.add_argument(
            "file", help="CSV or Parquet: symbol, ts, open, high, low, close, volume"
        )
        parser.add_argument("--out", default="", metavar="OUT.parquet")

    def handle(self, *args: Any, **options: Any) -> None:
        path, text = Path(options["file"]), options["expression"]
        try:
            content = path.read_bytes()
            summary, values = selectors.evaluate_file(text=text, content=content, name=path.name)
            if options["out"]:
                Path(options["out"]).write_bytes(values)
                summary["out"] = options["out"]
        except OSError as error:
            message = f"{error.filename}: {error.strerror}."
            raise CommandError(message, returncode=2) from error
        except LabError as error:
            raise CommandError(_pointed(text, error), returncode=2) from error
        self.stdout.write(json.dumps(summary, allow_nan=False))


def _pointed(text: str, error: LabError) -> str:
    """Return the message with the formula and a mark under the column at fault."""
    column = error.details.get("column")
    if not isinstance(column, int) or "\n" in text:
        return error.message
    return f"{error.message}\n  {text}\n  {' ' * (column - 1)}^"
