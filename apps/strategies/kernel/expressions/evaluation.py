"""Values of expressions on a panel.

Notes
-----
NaN rules, everywhere the same: a value that needs a missing input is missing; a moving window with
a missing value in it is missing; functions across instruments (rank, zscore, scale, demean) leave
the missing ones out; what is infinite or undefined (division by zero, the logarithm of a number
not above zero, the correlation with a constant) is missing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from sys import getrefcount

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.market.kernel.bars import FIELDS as PRICES
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.expressions.chains import Chain
from apps.strategies.kernel.expressions.nodes import Node
from apps.strategies.kernel.expressions.plans import CHAINED, Plan
from apps.strategies.kernel.expressions.running import run_program, run_whole, threads_for

Floats = NDArray[np.float64]
MEMORY = 256 * 2**20
# References to an array that nobody else holds: a name, and the question itself.
ALONE = 2


class Evaluator:
    """Evaluates many expressions on one panel and remembers shared parts.

    Parameters
    ----------
    panel
        The inputs.
    memory
        Bytes of remembered arrays; the least recently used go first.
    threads
        How many work at a time; the values are the same bytes for any number.
    """

    def __init__(self, panel: Panel, memory: int = MEMORY, threads: int | None = None) -> None:
        self.panel, self.memory = panel, memory
        self.shape = panel.close.shape
        self.threads = threads_for(panel.close.size) if threads is None else threads
        self.plan = Plan(panel.extras)
        self.held = 0
        self.known: OrderedDict[int, Floats] = OrderedDict()
        self._fields: dict[str, Floats] = {}
        self._uses: dict[int, int] = {}
        self._keeps = True
        self._spare: list[Floats] = []

    def value(self, node: Node) -> Floats:
        """Return the value, ``(n_bars, n_assets)``; callers must not write into it."""
        root = self.plan.add(node)
        self._uses, self._keeps = self.plan.uses([root]), True
        return self._array(root)

    def values(self, nodes: Iterable[Node]) -> Iterator[Floats]:
        """Yield each value; what several share is computed once, and let go at its last use."""
        roots = [self.plan.add(node) for node in nodes]
        self._uses, self._keeps = self.plan.uses(roots), False
        for root in roots:
            value = self._array(root)
            self._release(root)
            yield value

    def _array(self, number: int) -> Floats:
        """Return the value of a step as an array."""
        step = self.plan.steps[number]
        if step.operator == "field":
            return self._field(step.name)
        if number in self.known:
            self.known.move_to_end(number)
            return self.known[number]
        if step.operator == "number":
            return np.full(self.shape, step.literals[0])
        value = self._chained(number) if step.operator in CHAINED else self._whole(number)
        self._remember(number, value)
        return value

    def _whole(self, number: int) -> Floats:
        step = self.plan.steps[number]
        arrays = [self._array(part) for part in step.args]
        value = run_whole(step.operator, arrays, step.literals, self.threads, self._blank())
        arrays.clear()
        for part in set(step.args):
            self._release(part)
        return value

    def _chained(self, number: int) -> Floats:
        chain = Chain(self.plan, number, self._is_apart)
        program, reads = chain.program(), chain.inputs()
        arrays = [self._array(part) for part in program.inputs]
        value = run_program(program, arrays, self._blank(), self.threads)
        arrays.clear()
        for part, times in reads.items():
            self._release(part, times)
        return value

    def _is_apart(self, number: int) -> bool:
        """Tell whether a step within a chain has an array of its own: several steps need it."""
        return number in self.known or self._uses.get(number, 0) > 1

    def _field(self, name: str) -> Floats:
        if name not in self._fields:
            if name in self.panel.extras:
                array = self.panel.extras[name]
            elif name in PRICES:
                array = getattr(self.panel, name)
            else:
                message = f"The data lacks the field {name!r}; choose data that has it."
                details: dict[str, object] = {"field": "expression"}
                raise Invalid(message, code="expression.no_field", details=details)
            self._fields[name] = np.ascontiguousarray(array, dtype=np.float64)
        return self._fields[name]

    def _remember(self, number: int, value: Floats) -> None:
        self.known[number] = value
        self.held += value.nbytes
        while self.held > self.memory and len(self.known) > 1:
            _, oldest = self.known.popitem(last=False)
            self.held -= oldest.nbytes

    def _release(self, number: int, times: int = 1) -> None:
        """Count uses of a step as done, and let its value go after the last."""
        if self._keeps:
            return
        self._uses[number] = self._uses.get(number, 0) - times
        if self._uses[number] <= 0 and number in self.known:
            array = self.known.pop(number)
            self.held -= array.nbytes
            if getrefcount(array) == ALONE:
                self._spare.append(array)

    def _blank(self) -> Floats:
        """Return an array to fill: one that was let go, since fresh memory is dear to touch."""
        while self._spare and self.held + len(self._spare) * self._spare[0].nbytes > self.memory:
            self._spare.pop()
        return self._spare.pop() if self._spare else np.empty(self.shape)


def evaluate(node: Node, panel: Panel) -> Floats:
    """Return the value of ``node`` on ``panel``, ``(n_bars, n_assets)``; missing is NaN."""
    return np.array(next(Evaluator(panel).values([node])))
