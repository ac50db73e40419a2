"""The table of operators: arguments, units, how far back each looks, words for it."""

from __future__ import annotations

from dataclasses import dataclass

from apps.strategies.kernel.expressions.nodes import Call, Field, Node, Number

# Raised when a formula comes to mean something else; part of every version's digest.
VERSION = "2"
FIELDS = {
    "open": "the open",
    "high": "the high",
    "low": "the low",
    "close": "the close",
    "volume": "the volume",
    "returns": "the one-bar return",
}
# Inputs beyond the bars that a panel may carry under these names.
EXTRAS = ("funding", "open_interest", "long_short_ratio", "vwap")
# Read from the bars where the data lacks them.
DERIVED = {"vwap": "the volume-weighted (else typical) price"}
# Inputs that only say which instruments belong together, each a number.
GROUPS = ("sector", "industry", "subindustry")
MAX_WINDOW = 2520
MAX_LOOKBACK = 5040


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    Parameters
    ----------
    kinds
        One letter per argument: ``x`` an expression, ``d`` a window in bars (whole number from
        1), ``n`` a literal number, ``g`` a grouping such as ``sector``.
    words
        Plain English with ``{0}``, ``{1}`` for the arguments.
    looks
        Bars before the present one that are read: ``none``, ``window`` (d - 1), ``delay`` (d).
    unit
        ``same`` as the first argument, ``none``, ``product``, ``quotient``, ``power``, ``joint``
        (all arguments alike, and so the result), ``truth`` (all alike, result none).
    """

    name: str
    kinds: str
    words: str
    looks: str = "none"
    unit: str = "none"
    optional: float | None = None

    @property
    def window(self) -> int | None:
        """Which argument is the window."""
        return self.kinds.index("d") if "d" in self.kinds else None


_TABLE = (
    Operator("neg", "x", "minus {0}", unit="same"),
    Operator("add", "xx", "{0} plus {1}", unit="joint"),
    Operator("sub", "xx", "{0} minus {1}", unit="joint"),
    Operator("mul", "xx", "{0} times {1}", unit="product"),
    Operator("div", "xx", "{0} divided by {1}", unit="quotient"),
    Operator("less", "xx", "{0} is below {1}", unit="truth"),
    Operator("greater", "xx", "{0} is above {1}", unit="truth"),
    Operator("less_equal", "xx", "{0} is at most {1}", unit="truth"),
    Operator("greater_equal", "xx", "{0} is at least {1}", unit="truth"),
    Operator("equal", "xx", "{0} equals {1}", unit="truth"),
    Operator("unequal", "xx", "{0} differs from {1}", unit="truth"),
    Operator("and", "xx", "{0} and {1}"),
    Operator("or", "xx", "{0} or {1}"),
    Operator("where", "xxx", "{1} where {0}, else {2}", unit="joint"),
    Operator("abs", "x", "the size of {0}", unit="same"),
    Operator("log", "x", "the logarithm of {0}"),
    Operator("sign", "x", "the sign of {0}"),
    Operator("power", "xx", "{0} to the power of {1}", unit="power"),
    Operator("signedpower", "xx", "{0} to the power of {1}, keeping its sign", unit="power"),
    Operator("min", "xx", "the lesser of {0} and {1}", unit="joint"),
    Operator("max", "xx", "the greater of {0} and {1}", unit="joint"),
    Operator("rank", "x", "the rank among instruments of {0}"),
    Operator("zscore", "x", "the distance from the instruments' mean, in deviations, of {0}"),
    Operator("scale", "xn", "{0}, scaled over instruments to sum to {1} in size", optional=1.0),
    Operator(
        "truncate", "xn", "{0}, each held to {1} of the sum of sizes over instruments", unit="same"
    ),
    Operator("indneutralize", "xg", "{0} less its mean within the {1}", unit="same"),
    Operator("group_mean", "xg", "the mean within the {1} of {0}", unit="same"),
    Operator("group_rank", "xg", "the rank within the {1} of {0}"),
    Operator("bare", "x", "the bare number of {0}"),
    Operator("demean", "x", "{0} less its mean over instruments", unit="same"),
    Operator("delay", "xd", "{0} of {1} bars ago", "delay", "same"),
    Operator("delta", "xd", "the {1}-bar change of {0}", "delay", "same"),
    Operator("ts_sum", "xd", "the {1}-bar sum of {0}", "window", "same"),
    Operator("ts_mean", "xd", "the {1}-bar mean of {0}", "window", "same"),
    Operator("ts_std", "xd", "the {1}-bar deviation of {0}", "window", "same"),
    Operator("ts_min", "xd", "the {1}-bar low of {0}", "window", "same"),
    Operator("ts_max", "xd", "the {1}-bar high of {0}", "window", "same"),
    Operator("ts_argmin", "xd", "where in {1} bars {0} was lowest", "window"),
    Operator("ts_argmax", "xd", "where in {1} bars {0} was highest", "window"),
    Operator("ts_rank", "xd", "the rank within {1} bars of {0}", "window"),
    Operator("ts_product", "xd", "the {1}-bar product of {0}", "window"),
    Operator("decay_linear", "xd", "the {1}-bar linearly weighted mean of {0}", "window", "same"),
    Operator("correlation", "xxd", "the {2}-bar correlation of {0} with {1}", "window"),
    Operator("covariance", "xxd", "the {2}-bar covariance of {0} with {1}", "window", "product"),
    Operator(
        "rank_correlation", "xxd", "the {2}-bar correlation of ranks of {0} with {1}", "window"
    ),
)
OPERATORS = {operator.name: operator for operator in _TABLE}
# Spellings of the paper and of its readers.
ALIASES = {
    "sum": "ts_sum",
    "mean": "ts_mean",
    "sma": "ts_mean",
    "stddev": "ts_std",
    "std": "ts_std",
    "ts_stddev": "ts_std",
    "product": "ts_product",
    "signed_power": "signedpower",
    "pow": "power",
    "corr": "correlation",
    "cov": "covariance",
    "if": "where",
    "ts_arg_max": "ts_argmax",
    "ts_arg_min": "ts_argmin",
    "spearman": "rank_correlation",
    "neutralize": "indneutralize",
    "group_neutralize": "indneutralize",
}


# Written with symbols, not names: a + b, a < b, a && b.
UNNAMED = frozenset(
    {"neg", "add", "sub", "mul", "div", "and", "or"}
    | {"less", "greater", "less_equal", "greater_equal", "equal", "unequal"}
)


def window_of(call: Call) -> int:
    """Return the window of a call that has one, else 1."""
    at = OPERATORS[call.operator].window
    part = call.args[at] if at is not None else None
    return int(part.value) if isinstance(part, Number) else 1


def lookback(node: Node) -> int:
    """Return how many bars before the present one the value depends on."""
    if isinstance(node, Number):
        return 0
    if isinstance(node, Field):
        return 1 if node.name == "returns" else 0
    looks = OPERATORS[node.operator].looks
    own = {"none": 0, "window": window_of(node) - 1, "delay": window_of(node)}[looks]
    return own + max(lookback(part) for part in node.args)
