"""From trees to steps: equal parts become one step, and few kinds of steps are left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apps.strategies.kernel.expressions.nodes import Call, Field, Node, Number
from apps.strategies.kernel.expressions.operators import OPERATORS

# Steps that a program of ``loops.program_1d`` takes in; others make a whole array of their own.
CHAINED = frozenset(
    {"neg", "add", "sub", "mul", "div", "abs", "log", "sign", "power", "signedpower", "root"}
    | {"less", "greater", "less_equal", "greater_equal", "equal", "unequal", "and", "or"}
    | {"where", "min", "max", "delay"}
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: an operator on other steps, by their numbers, with literals such as a window.

    Its operator is ``number`` or ``field`` where there is nothing to work on.
    """

    operator: str
    args: tuple[int, ...] = ()
    literals: tuple[float, ...] = ()
    name: str = ""


class Plan:
    """The steps of any number of trees, each once.

    Parameters
    ----------
    extras
        The inputs beyond the bars that there are.
    """

    def __init__(self, extras: Iterable[str] = ()) -> None:
        self.extras = frozenset(extras)
        self.steps: list[Step] = []
        self._known: dict[Step, int] = {}

    def add(self, node: Node) -> int:
        """Return the number of the step that gives ``node``, with all it needs added before."""
        if isinstance(node, Number):
            return self._step("number", literals=(node.value,))
        if isinstance(node, Field):
            return self._field(node.name)
        kinds = OPERATORS[node.operator].kinds
        parts = list(zip(kinds, node.args, strict=True))
        args = tuple(self.add(part) for kind, part in parts if kind in "xg")
        literals = tuple(
            part.value for kind, part in parts if kind in "dn" and isinstance(part, Number)
        )
        return self._call(node, args, literals)

    def uses(self, roots: Iterable[int]) -> dict[int, int]:
        """Return how many steps under ``roots`` need each step; a root counts as needed once."""
        found: dict[int, int] = {}
        waiting = list(roots)
        for root in waiting:
            found[root] = found.get(root, 0) + 1
        seen = set()
        while waiting:
            number = waiting.pop()
            if number in seen:
                continue
            seen.add(number)
            for part in set(self.steps[number].args):
                found[part] = found.get(part, 0) + 1
                waiting.append(part)
        return found

    def _step(
        self,
        operator: str,
        args: tuple[int, ...] = (),
        literals: tuple[float, ...] = (),
        name: str = "",
    ) -> int:
        step = Step(operator, args, literals, name)
        if step not in self._known:
            self._known[step] = len(self.steps)
            self.steps.append(step)
        return self._known[step]

    def _field(self, name: str) -> int:
        if name in self.extras:
            return self._step("field", name=name)
        close = self._step("field", name="close")
        if name == "returns":
            before = self._step("delay", (close,), (1.0,))
            one = self._step("number", literals=(1.0,))
            return self._step("sub", (self._step("div", (close, before)), one))
        if name == "vwap":
            high, low = self._step("field", name="high"), self._step("field", name="low")
            total = self._step("add", (self._step("add", (high, low)), close))
            return self._step("div", (total, self._step("number", literals=(3.0,))))
        return self._step("field", name=name)

    def _call(self, node: Call, args: tuple[int, ...], literals: tuple[float, ...]) -> int:
        operator = node.operator
        if operator == "bare":
            return args[0]
        if operator == "delta":
            return self._step("sub", (args[0], self._step("delay", args, literals)))
        if operator == "indneutralize":
            return self._step("sub", (args[0], self._step("group_mean", args)))
        if operator in {"power", "signedpower"}:
            return self._power(operator, args)
        return self._step(operator, args, literals)

    def _power(self, operator: str, args: tuple[int, ...]) -> int:
        """Return products and roots in place of the commonest powers: they cost a tenth."""
        base, exponent = args
        number = self.steps[exponent]
        value = number.literals[0] if number.operator == "number" else None
        if value == 1.0:
            return base
        if value == 2.0:
            other = base if operator == "power" else self._step("abs", (base,))
            return self._step("mul", (base, other))
        if value == 0.5 and operator == "power":
            return self._step("root", (base,))
        return self._step(operator, args)
