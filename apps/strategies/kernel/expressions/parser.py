"""From text to a checked tree; every refusal points at a column."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from apps.strategies.kernel.expressions.catalogue import named
from apps.strategies.kernel.expressions.nodes import SYMBOLS, Call, Field, Node, Number, nodes_of
from apps.strategies.kernel.expressions.operators import (
    ALIASES,
    DERIVED,
    FIELDS,
    GROUPS,
    MAX_LOOKBACK,
    MAX_WINDOW,
    OPERATORS,
    UNNAMED,
    lookback,
)
from apps.strategies.kernel.expressions.tokens import Token, refuse, tokens_of
from apps.strategies.kernel.expressions.units import refuse_mixtures

MAX_DEPTH = 60
MAX_NODES = 400
LEVELS = [
    {symbol: name for name, (symbol, binds) in SYMBOLS.items() if binds == level}
    for level in range(1, 6)
]
COMPARISONS = 2
ARITHMETIC = {"add", "sub", "mul", "div"}
_AVERAGE_DOLLAR_VOLUME = re.compile(r"adv(\d+)$")


def parse(text: str, extras: Sequence[str] = (), *, with_units: bool = True) -> Node:
    """Return the tree of ``text``.

    Parameters
    ----------
    text
        Such as ``rank(delta(close, 5))``, or a formula of the catalogue by name: ``Alpha#12``.
    extras
        Further inputs the panel has, such as ``funding``.
    with_units
        Whether sums and comparisons of unlike units are refused.

    Raises
    ------
    Invalid
        With a code ``expression.…`` and the column in the details.
    """
    published = named(text)
    text = published.expression if published else text
    reader = _Reader(tokens_of(text), frozenset(extras))
    node = reader.expression()
    reader.expect("end", "an operator or the end")
    if sum(1 for _ in nodes_of(node)) > MAX_NODES:
        message = f"the expression has more than {MAX_NODES} parts; make it smaller."
        raise refuse("too_large", 1, message)
    if not any(isinstance(part, Field) for part in nodes_of(node)):
        message = f"the expression reads no data; use at least one of {', '.join(FIELDS)}."
        raise refuse("constant", 1, message)
    _check_groups(node)
    if lookback(node) > MAX_LOOKBACK:
        message = f"it looks {lookback(node)} bars back; at most {MAX_LOOKBACK} are read."
        raise refuse("lookback", 1, message)
    if with_units:
        refuse_mixtures(node)
    return node


def _check_groups(root: Node) -> None:
    """Refuse a grouping where a value belongs, and a value where a grouping does."""
    if isinstance(root, Field) and root.name in GROUPS:
        _refuse_group(root)
    for call in nodes_of(root):
        if isinstance(call, Call):
            for kind, part in zip(OPERATORS[call.operator].kinds, call.args, strict=True):
                is_group = isinstance(part, Field) and part.name in GROUPS
                if is_group and kind != "g":
                    _refuse_group(part)
                if kind == "g" and not is_group:
                    message = f"{call.operator} wants one of {', '.join(GROUPS)} here."
                    raise refuse("type", part.column or call.column or 1, message)


def _refuse_group(part: Node) -> None:
    message = "a grouping has no value; write it as in indneutralize(x, sector)."
    raise refuse("type", part.column or 1, message)


class _Reader:
    """A recursive descent over tokens."""

    def __init__(self, tokens: list[Token], extras: frozenset[str]) -> None:
        self.tokens, self.extras = tokens, extras
        self.at = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.token
        self.at += token.kind != "end"
        return token

    def expect(self, what: str, words: str) -> Token:
        if what not in {self.token.kind, self.token.text}:
            message = f"found {self.token.shown}, expected {words}."
            raise refuse("syntax", self.token.column, message)
        return self.take()

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            message = f"brackets are nested more than {MAX_DEPTH} deep; make it flatter."
            raise refuse("too_deep", self.token.column, message)
        node = self.level(0)
        if self.token.text == "?":
            column = self.take().column
            yes = self.expression()
            self.expect(":", "':' between the two values of '?'")
            node = Call("where", (node, yes, self.expression()), column)
        self.depth -= 1
        return node

    def level(self, number: int) -> Node:
        if number == len(LEVELS):
            return self.unary()
        node = self.level(number + 1)
        while self.token.kind == "symbol" and self.token.text in LEVELS[number]:
            token = self.take()
            right = self.level(number + 1)
            node = Call(LEVELS[number][token.text], (node, right), token.column)
            if number == COMPARISONS and self.token.text in LEVELS[number]:
                message = "comparisons do not chain; join two with &&."
                raise refuse("syntax", self.token.column, message)
        return node

    def unary(self) -> Node:
        signs: list[Token] = []
        while self.token.text in {"-", "+"} and self.token.kind == "symbol":
            signs.append(self.take())
        node = self.power()
        for sign in reversed(signs):
            node = _negative(node, sign.column) if sign.text == "-" else node
        return node

    def power(self) -> Node:
        node = self.atom()
        if self.token.text == "^":
            column = self.take().column
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise refuse("too_deep", column, f"more than {MAX_DEPTH} powers are nested.")
            node = Call("power", (node, self.unary()), column)
            self.depth -= 1
        return node

    def atom(self) -> Node:
        token = self.take()
        if token.kind == "number":
            return _literal(token)
        if token.kind == "name":
            return self.call(token) if self.token.text == "(" else self.field(token)
        if token.text == "(":
            node = self.expression()
            self.expect(")", "')'")
            return node
        message = f"found {token.shown}, expected a number, a field, a function or '('."
        raise refuse("syntax", token.column, message)

    def field(self, token: Token) -> Node:
        name = token.text.lower()
        if name in FIELDS or name in DERIVED or name in GROUPS or name in self.extras:
            return Field(name, token.column)
        if found := _AVERAGE_DOLLAR_VOLUME.match(name):
            traded = Call("mul", (Field("close"), Field("volume")), token.column)
            return _checked(
                Call("ts_mean", (traded, Number(int(found[1]), token.column)), token.column)
            )
        known = [*FIELDS, *sorted({*DERIVED, *self.extras})]
        message = f"there is no field {token.text!r}{_nearest(name, known)}; there are "
        raise refuse("unknown_name", token.column, f"{message}{', '.join(known)} and adv<days>.")

    def call(self, token: Token) -> Node:
        name = token.text.lower()
        name = ALIASES.get(name, name)
        if name not in OPERATORS or name in UNNAMED - ARITHMETIC:
            known = sorted(set(OPERATORS) - UNNAMED)
            message = f"there is no function {token.text!r}{_nearest(name, known)}; there are "
            raise refuse("unknown_name", token.column, f"{message}{', '.join(known)}.")
        self.expect("(", "'('")
        args = [self.expression()]
        while self.token.text == ",":
            self.take()
            args.append(self.expression())
        self.expect(")", "',' or ')'")
        return _checked(_windowed(Call(name, tuple(args), token.column)))


def _negative(node: Node, column: int) -> Node:
    if isinstance(node, Number):
        return Number(-node.value, column)
    return Call("neg", (node,), column)


def _literal(token: Token) -> Number:
    value = float(token.text)
    if value > 1e300:
        raise refuse("syntax", token.column, f"{token.text} is too large a number.")
    return Number(value, token.column)


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _windowed(call: Call) -> Call:
    """Read ``min(x, 5)`` and ``max(x, 5)`` as the paper does: over the last five bars."""
    whole = (
        len(call.args) == 2
        and isinstance(call.args[1], Number)
        and call.args[1].value == int(call.args[1].value)
        and call.args[1].value > 1
    )
    if call.operator in {"min", "max"} and whole:
        return Call(f"ts_{call.operator}", call.args, call.column)
    return call


def _checked(call: Call) -> Call:
    operator = OPERATORS[call.operator]
    if operator.optional is not None and len(call.args) == len(operator.kinds) - 1:
        call = Call(call.operator, (*call.args, Number(operator.optional)), call.column)
    if len(call.args) != len(operator.kinds):
        message = (
            f"{call.operator} takes {len(operator.kinds)} argument(s): {_usage(call.operator)}; "
            f"found {len(call.args)}."
        )
        raise refuse("arity", call.column, message)
    for kind, part in zip(operator.kinds, call.args, strict=True):
        if kind == "d":
            _check_window(call.operator, part)
        elif kind == "n" and not isinstance(part, Number):
            message = f"{call.operator} wants a plain number here: {_usage(call.operator)}."
            raise refuse("type", part.column or call.column, message)
        elif kind == "x" and operator.window is not None and isinstance(part, Number):
            message = f"{call.operator} wants data here, not the number {part.value:g}."
            raise refuse("type", part.column, message)
    return call


def _check_window(name: str, part: Node) -> None:
    if not isinstance(part, Number):
        message = f"the window of {name} must be a whole number written out, such as 5."
        raise refuse("window", part.column, message)
    if part.value < 0:
        message = (
            f"{name} with {part.value:g} bars would look {-part.value:g} bars into the future; "
            "windows count back from the present bar."
        )
        raise refuse("look_ahead", part.column, message)
    if part.value != int(part.value) or not 1 <= part.value <= MAX_WINDOW:
        message = (
            f"the window of {name} is {part.value:g}; it is a whole number of bars from 1 to "
            f"{MAX_WINDOW}."
        )
        raise refuse("window", part.column, message)


def _usage(name: str) -> str:
    letters = {"x": "expression", "d": "bars", "n": "number", "g": "sector"}
    return f"{name}({', '.join(letters[kind] for kind in OPERATORS[name].kinds)})"
