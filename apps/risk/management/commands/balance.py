"""Target weights for the return columns of a file, as JSON; what can't be met is told in words."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import CommandParser

from apps.risk.kernel.balance import METHODS, Terms, balance
from apps.risk.management.answering import AnsweringCommand
from apps.risk.management.returns_file import parse_weights, read_returns

PLAIN = Terms()
NUMBERS = ("budget", "min_weight", "max_weight", "cost", "patience", "risk_aversion", "tail")


class Command(AnsweringCommand):
    help = "Weights by an optimiser for the return columns of a CSV or Parquet file."

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
