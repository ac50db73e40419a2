"""Alpha expressions: a small language of array formulas, safe by construction.

Names follow Kakushadze, Z. (2016), "101 Formulaic Alphas", Wilmott 84.
"""

from apps.strategies.kernel.expressions.evaluation import Evaluator, evaluate
from apps.strategies.kernel.expressions.nodes import Call, Field, Node, Number, nodes_of, render
from apps.strategies.kernel.expressions.operators import (
    EXTRAS,
    FIELDS,
    OPERATORS,
    VERSION,
    lookback,
)
from apps.strategies.kernel.expressions.parser import parse
from apps.strategies.kernel.expressions.units import remarks, unit_of
from apps.strategies.kernel.expressions.words import describe, functions

__all__ = [
    "EXTRAS",
    "FIELDS",
    "OPERATORS",
    "VERSION",
    "Call",
    "Evaluator",
    "Field",
    "Node",
    "Number",
    "describe",
    "evaluate",
    "functions",
    "lookback",
    "nodes_of",
    "parse",
    "remarks",
    "render",
    "unit_of",
]
