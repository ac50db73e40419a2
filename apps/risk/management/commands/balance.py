"""Target weights for the return columns of a file, as JSON; what can't be met is told in words."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from django.core.management.base import BaseCommand, CommandParser

from apps.core.errors import LabError
from apps.risk.kernel.balance import METHODS, Terms, balance
from apps.risk.management.returns_file import parse_weights, read_returns

BAD_INPUT = 2
PLAIN = Terms()
NUMBERS = ("budget", "min_weight", "max_weight", "cost", "patience", "risk_aversion", "tail")


class Command(BaseCommand):
    help = "Weights by an optimiser for the return columns of a CSV or Parquet file."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--method", default=PLAIN.method, help=", ".join(METHODS))
        parser.add_argument("--weights", default="", help="held now: A=0.6,B=0.4")
        for name in NUMBERS:
            given = getattr(PLAIN, name)
            parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=given)
        parser.add_argument("--max-turnover", type=float, help="largest sum of changes")
        parser.add_argument("--max-correlation", type=float, default=PLAIN.max_correlation)
        parser.add_argument("--keep-all", action="store_true", help="no cap on correlation")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            answer = self.answer(options)
        except LabError as error:
            self.stderr.write(f"{error.message} [{error.code}]")
            sys.exit(BAD_INPUT)
        self.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())

    def answer(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the weights with how they came about. Raises ``Invalid``."""
        columns = read_returns(options["file"])
        names = list(columns)
        before = parse_weights(options["weights"], names) if options["weights"] else {}
        terms = Terms(
            method=options["method"],
            max_turnover=options["max_turnover"],
            max_correlation=None if options["keep_all"] else options["max_correlation"],
            **{name: options[name] for name in NUMBERS},
        )
        found = balance(np.column_stack(list(columns.values())), names, terms, before)
        return asdict(found)
