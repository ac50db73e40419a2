"""A hypothesis in words, read from the formula's structure by rule: a machine's reading."""

from __future__ import annotations

from apps.strategies.kernel.expressions import Call, Field, Node, Number, describe, nodes_of

READING = "A machine's reading of the formula, not evidence: "
PRICES = frozenset({"open", "high", "low", "close", "returns"})
SPREAD = frozenset({"ts_std", "abs"})
SAME_WAY = frozenset(
    {"rank", "zscore", "scale", "demean", "delta", "ts_mean", "ts_sum", "ts_rank", "decay_linear"}
)
REASONS = {
    "falls": (
        "it favours what has lately fallen: prices pushed by hurried trading tend to come back "
        "part of the way, which pays those who take the other side (short-term reversal)."
    ),
    "rises": (
        "it favours what has risen: news is taken up slowly and buyers follow, so that moves go "
        "on for a while (momentum)."
    ),
    "flow": (
        "it sets price against volume: a move with unusual trading behind it says something else "
        "about what buyers and sellers know than the same move on thin trading."
    ),
    "spread": (
        "it weighs how widely prices move: investors who may not borrow pay too much for "
        "restless instruments, so calm and restless ones earn differently for their risk."
    ),
    "volume": (
        "it weighs how much is traded: attention comes and goes with volume, and what trades "
        "little must pay for being hard to sell."
    ),
    "range": (
        "it reads where prices stand within the bar's range, a trace of who was in a hurry at "
        "the close."
    ),
    "other": "it has no familiar form; treat it as a pattern that needs a reason before money.",
}


def statement(node: Node, rebalance_days: int, *, long_short: bool) -> str:
    """Return what is claimed, in one sentence."""
    than = "those on which it is low" if long_short else "the average instrument"
    days = f"{rebalance_days} day{'s' if rebalance_days > 1 else ''}"
    return (
        f"Over the next {days}, instruments on which the following is high earn more than "
        f"{than}: {describe(node)}."
    )


def reason(node: Node) -> str:
    """Return why that might be, from the formula's form alone."""
    return READING + REASONS[_theme(node)]


def _theme(node: Node) -> str:
    fields = {part.name for part in nodes_of(node) if isinstance(part, Field)}
    operators = {part.operator for part in nodes_of(node) if isinstance(part, Call)}
    way = direction(node)
    if "volume" in fields and fields & PRICES:
        return "flow"
    if "volume" in fields:
        return "volume"
    if operators & SPREAD:
        return "spread"
    if way and (operators & {"delta", "delay"} or "returns" in fields):
        return "rises" if way > 0 else "falls"
    return "range" if {"high", "low"} & fields else "other"


def direction(node: Node) -> int:
    """Return 1 when a higher price now can only raise the value, -1 only lower it, else 0."""
    if isinstance(node, Number):
        return 0
    if isinstance(node, Field):
        return 1 if node.name in PRICES else 0
    first = direction(node.args[0])
    if node.operator == "neg":
        return -first
    if node.operator in SAME_WAY:
        return first
    if node.operator == "div":
        return first if _is_past(node.args[1]) else 0
    if node.operator in {"add", "min", "max"}:
        return first if first == direction(node.args[1]) else 0
    return _difference(node) if node.operator == "sub" else 0


def _difference(node: Call) -> int:
    left, right = node.args
    if _is_past(right):
        return direction(left)
    return -direction(right) if _is_past(left) else 0


def _is_past(node: Node) -> bool:
    """Tell whether the part stands for earlier prices or a slow average of them."""
    return isinstance(node, Call) and node.operator in {"delay", "ts_mean", "decay_linear"}
