"""VaR and ES of the return columns of a file, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import CommandParser

from apps.core.errors import Invalid
from apps.risk.kernel.components import components
from apps.risk.kernel.conventions import OUTSIDE, SCALINGS, SHORTFALLS, Terms
from apps.risk.kernel.drawdown import drawdowns
from apps.risk.kernel.grades import Positions, backtest
from apps.risk.kernel.grades_forecasts import WINDOW
from apps.risk.kernel.liquidity import Market, liquidity_report
from apps.risk.kernel.measures import METHODS, measure_book, measure_of, terms_of
from apps.risk.kernel.samples import common_rows
from apps.risk.management.answering import AnsweringCommand
from apps.risk.management.returns_file import parse_weights, read_returns

BOOK = "portfolio"
TABLES = ("spreads", "spread_deviations", "volumes")
NUMBERS = ("equity", "participation", "spread_multiple")
TERMS = tuple(Terms.__dataclass_fields__)


class Command(AnsweringCommand):
    help = "VaR and ES of every return column of a CSV or Parquet file; losses are positive."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--level", type=float, default=0.95)
        parser.add_argument("--method", default="historical", help=", ".join(METHODS))
        parser.add_argument("--weights", default="", help="A=0.6,B=0.4: adds the column portfolio")
        parser.add_argument("--horizon", type=int, default=1, help="periods ahead")
        parser.add_argument("--quantile", default="linear", help="name or number, 1 to 9")
        parser.add_argument("--shortfall", default="at_or_below", help=", ".join(SHORTFALLS))
        parser.add_argument("--scaling", default="own", help=", ".join(SCALINGS))
        parser.add_argument("--outside", default="state", help=", ".join(OUTSIDE))
        parser.add_argument("--ddof", type=int, default=0, choices=(0, 1))
        parser.add_argument("--decay", type=float, default=0.94, help="of EWMA volatility")
        parser.add_argument("--ageing", type=float, default=0.98, help="of age-weighted history")
        parser.add_argument("--threshold", type=float, default=0.90, help="of extreme values")
        parser.add_argument("--draws", type=int, default=32_768, help="of Monte Carlo")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--components", action="store_true", help="of the portfolio")
        parser.add_argument("--drawdowns", action="store_true")
        parser.add_argument("--backtest", action="store_true", help="grade a forecast a row")
        parser.add_argument("--window", type=int, default=WINDOW, help="rows before each forecast")
        parser.add_argument("--liquidity", action="store_true", help="of the portfolio")
        for name in TABLES:
            parser.add_argument(f"--{name.replace('_', '-')}", default="", help="A=0.001,B=0.002")
        parser.add_argument("--equity", type=float, default=1.0, help="in the volumes' currency")
        parser.add_argument("--participation", type=float, default=0.1, help="of the volume")
        parser.add_argument("--spread-multiple", type=float, default=3.0, help="deviations")

    def answer(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the measures by column. Raises ``Invalid`` naming the column at fault."""
        columns = read_returns(options["file"])
        terms = terms_of(**{name: options[name] for name in TERMS})
        if options["liquidity"] and not options["weights"]:
            message = "--liquidity is of a portfolio: give --weights A=0.6,B=0.4."
            raise Invalid(message, code="risk.weights", details={"field": "weights"})
        answer = {name: self.measured(name, columns[name], options, terms) for name in columns}
        if options["weights"]:
            weights = parse_weights(options["weights"], list(columns))
            answer[BOOK] = self.book(columns, weights, options, terms)
        return answer

    def measured(
        self, name: str, returns: Any, options: dict[str, Any], terms: Terms
    ) -> dict[str, Any]:
        """Return the measures of one column. Raises ``Invalid`` naming it."""
        try:
            found = measure_of(returns, options["method"], terms).as_dict()
            if options["drawdowns"]:
                found["drawdowns"] = drawdowns(returns, terms).as_dict()
            if options["backtest"]:
                found["backtest"] = self.graded(returns, options)
        except Invalid as error:
            raise Invalid(f"Column {name}: {error.message}", code=error.code) from error
        return found

    def book(
        self,
        columns: dict[str, Any],
        weights: dict[str, float],
        options: dict[str, Any],
        terms: Terms,
    ) -> dict[str, Any]:
        """Return the measures of the weighted columns, by position if asked for."""
        method = options["method"]
        found = measure_book(columns, weights, method, terms).as_dict()
        rows = common_rows(columns, weights)
        shares = np.array([weights[name] for name in rows.names])
        if options["components"]:
            parts = components(rows.values, shares, method, terms)
            found["components"] = parts.as_rows(rows.names, shares)
        if options["drawdowns"]:
            found["drawdowns"] = drawdowns(rows.values @ shares, terms).as_dict()
        if options["backtest"]:
            held = Positions(rows, shares)
            found["backtest"] = self.graded(rows.values @ shares, options, held)
        if options["liquidity"]:
            told: dict[str, Any] = {
                name: table_of(name, options[name], rows.names) for name in TABLES
            }
            market = Market(**told, **{name: options[name] for name in NUMBERS})
            found["liquidity"] = liquidity_report(rows, shares, [terms], market)[0]
        return found

    def graded(
        self, returns: Any, options: dict[str, Any], held: Positions | None = None
    ) -> dict[str, Any]:
        """Return what the tests say of the method's forecasts. Raises ``Invalid``."""
        level, method, window = (options[name] for name in ("level", "method", "window"))
        return backtest(returns, level, method, window=window, positions=held)


def table_of(name: str, text: str, names: tuple[str, ...]) -> dict[str, float]:
    """Return numbers by position from ``A=0.001,B=0.002``. Raises ``Invalid``."""
    if not text:
        return {}
    try:
        return parse_weights(text, list(names))
    except Invalid as error:
        message = f"--{name.replace('_', '-')} {text!r}: {error.message}"
        raise Invalid(message, code="risk.liquidity", details={"field": name}) from error
