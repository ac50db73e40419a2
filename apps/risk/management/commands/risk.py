"""VaR and ES of the return columns of a file, as JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandParser

from apps.core.errors import Invalid, LabError
from apps.risk.kernel.reports import measure
from apps.risk.kernel.samples import combine
from apps.risk.management.returns_file import parse_weights, read_returns

BAD_INPUT = 2


class Command(BaseCommand):
    help = "VaR and ES of every return column of a CSV or Parquet file; losses are positive."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--level", type=float, default=0.95)
        parser.add_argument("--method", default="historical")
        parser.add_argument("--weights", default="", help="A=0.6,B=0.4: adds the column portfolio")
        parser.add_argument("--horizon", type=int, default=1, help="periods ahead")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            answer = self.answer(options)
        except LabError as error:
            self.stderr.write(f"{error.message} [{error.code}]")
            sys.exit(BAD_INPUT)
        self.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())

    def answer(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the measures by column. Raises ``Invalid`` naming the column at fault."""
        columns = read_returns(options["file"])
        if options["weights"]:
            weights = parse_weights(options["weights"], list(columns))
            columns["portfolio"] = combine(columns, weights)
        answer = {}
        for name, returns in columns.items():
            try:
                answer[name] = measure(
                    returns, options["level"], options["method"], horizon=options["horizon"]
                )
            except Invalid as error:
                raise Invalid(f"Column {name}: {error.message}", code=error.code) from error
        return answer
