"""Units of expressions: powers of price and of volume, so that nonsense sums are remarked on."""

from __future__ import annotations

from apps.strategies.kernel.expressions.nodes import Call, Field, Node, Number, render
from apps.strategies.kernel.expressions.operators import OPERATORS
from apps.strategies.kernel.expressions.tokens import refuse

# (power of price, power of volume); None when anything fits, as for a literal.
Unit = tuple[float, float] | None
# Where unlike units meet, and a sentence on it.
Mixture = tuple[Call, str]
PLAIN = (0.0, 0.0)
FIELD_UNITS = {
    "open": (1.0, 0.0),
    "high": (1.0, 0.0),
    "low": (1.0, 0.0),
    "close": (1.0, 0.0),
    "volume": (0.0, 1.0),
    "vwap": (1.0, 0.0),
    "open_interest": (0.0, 1.0),
    "returns": PLAIN,
    "funding": PLAIN,
    "long_short_ratio": PLAIN,
}


def unit_of(node: Node) -> Unit:
    """Return the unit of the value; None when it can be read as any."""
    return _infer(node, [])


def remarks(node: Node) -> list[str]:
    """Return a sentence for each place where unlike units meet."""
    return [message for _, message in _mixtures(node)]


def refuse_mixtures(node: Node) -> None:
    """Raise ``Invalid`` at the first place where unlike units are added or compared.

    Choosing between two of unlike units is only remarked on: published formulas do it.
    """
    for call, message in _mixtures(node):
        if call.operator != "where":
            hint = "write bare(x) around each to use the numbers without their units."
            raise refuse("mixed_units", call.column or 1, f"{message[:-1]}; {hint}")


def _mixtures(node: Node) -> list[Mixture]:
    found: list[Mixture] = []
    _infer(node, found)
    return found


def spell(unit: Unit) -> str:
    """Return a unit in words."""
    if unit is None or unit == PLAIN:
        return "a plain number"
    names = [(power, name) for power, name in zip(unit, ("price", "volume"), strict=True) if power]
    return " x ".join(name if power == 1 else f"{name}^{power:g}" for power, name in names)


def _infer(node: Node, found: list[Mixture]) -> Unit:
    if isinstance(node, Number):
        return None
    if isinstance(node, Field):
        return FIELD_UNITS.get(node.name)
    units = [_infer(part, found) for part in node.args]
    unit: Unit = _RULES[OPERATORS[node.operator].unit](node, units, found)
    return unit


def _alike(node: Call, units: list[Unit], found: list[Mixture]) -> Unit:
    first = 1 if node.operator == "where" else 0
    known = [unit for unit in units[first:] if unit is not None]
    if len(set(known)) > 1:
        words = " and ".join(spell(unit) for unit in known)
        found.append((node, f"{render(node)} mixes {words}."))
        return None
    return known[0] if known else None


def _truth(node: Call, units: list[Unit], found: list[Mixture]) -> Unit:
    _alike(node, units, found)
    return PLAIN


def _product(node: Call, units: list[Unit], found: list[Mixture]) -> Unit:  # noqa: ARG001 one shape
    if units[0] is None and units[1] is None:
        return None
    a, b = (unit or PLAIN for unit in units[:2])
    return (a[0] + b[0], a[1] + b[1])


def _quotient(node: Call, units: list[Unit], found: list[Mixture]) -> Unit:  # noqa: ARG001
    if units[0] is None and units[1] is None:
        return None
    a, b = (unit or PLAIN for unit in units[:2])
    return (a[0] - b[0], a[1] - b[1])


def _power(node: Call, units: list[Unit], found: list[Mixture]) -> Unit:  # noqa: ARG001
    exponent = node.args[1]
    if units[0] is None or not isinstance(exponent, Number):
        return units[0] if units[0] == PLAIN else None
    return (units[0][0] * exponent.value, units[0][1] * exponent.value)


_RULES = {
    "same": lambda _node, units, _found: units[0],
    "none": lambda _node, _units, _found: PLAIN,
    "joint": _alike,
    "truth": _truth,
    "product": _product,
    "quotient": _quotient,
    "power": _power,
}
