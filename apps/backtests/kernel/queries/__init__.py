"""The search syntax of runs: text to a checked tree, and the tree judged over one run."""

from apps.backtests.kernel.queries.judging import fits
from apps.backtests.kernel.queries.names import COMPLETIONS, FIGURES, FLAGS, NUMBERS, TEXTS, TIMES
from apps.backtests.kernel.queries.nodes import (
    And,
    Compare,
    Flag,
    Name,
    Node,
    Not,
    Or,
    Value,
    Words,
    mentions,
)
from apps.backtests.kernel.queries.parsing import KEY, parse

__all__ = [
    "COMPLETIONS",
    "FIGURES",
    "FLAGS",
    "KEY",
    "NUMBERS",
    "TEXTS",
    "TIMES",
    "And",
    "Compare",
    "Flag",
    "Name",
    "Node",
    "Not",
    "Or",
    "Value",
    "Words",
    "fits",
    "mentions",
    "parse",
]
