"""Chains of steps on single values, written as one program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel.expressions.plans import CHAINED, Plan

# Arrays that one program reads at most; a chain that needs more is cut.
INPUTS = 6
# In the order of the codes in ``loops.programs``.
NAMES = (
    *("load", "neg", "add", "sub", "mul", "div", "less", "greater", "less_equal", "greater_equal"),
    *("equal", "unequal", "and", "or", "where", "abs", "log", "sign", "power", "signedpower"),
    *("min", "max", "root"),
)
CODES = {name: code for code, name in enumerate(NAMES)}


@dataclass(slots=True)
class Program:
    """A program of ``loops.program_1d``: its code, constants, registers, and the steps it reads.

    ``code`` counts how far back an input is read in bars.
    """

    code: NDArray[np.int64]
    constants: NDArray[np.float64]
    registers: int
    inputs: tuple[int, ...]


class Chain:
    """The steps that one program computes: ``root`` and what it needs that is no array yet.

    Parameters
    ----------
    is_apart
        Whether a step is read as an array, rather than computed within.
    """

    def __init__(self, plan: Plan, root: int, is_apart: Callable[[int], bool]) -> None:
        self.plan, self.root, self._is_apart = plan, root, is_apart
        self.cut: set[int] = set()
        while len(self.inputs()) > INPUTS:
            self.cut.add(self._best_cut())

    def inputs(self) -> dict[int, int]:
        """Return the steps read as arrays, in the order met, and how many steps need each."""
        return self._under(self.root)

    def program(self) -> Program:
        """Return the program."""
        return _Writer(self).program()

    def is_input(self, number: int) -> bool:
        """Tell whether a step under the root is read as an array."""
        step = self.plan.steps[number]
        if number == self.root or step.operator == "number":
            return False
        return number in self.cut or step.operator not in CHAINED or self._is_apart(number)

    def _under(self, number: int) -> dict[int, int]:
        found: dict[int, int] = {}
        step = self.plan.steps[number]
        for part in dict.fromkeys(step.args):
            if self.is_input(part) or step.operator == "delay":
                reads = {part: 1}
            else:
                reads = self._under(part)
            for read, times in reads.items():
                found[read] = found.get(read, 0) + times
        return found

    def _best_cut(self) -> int:
        """Return the step within the chain that reads the most arrays a program can take."""
        best, most, waiting = -1, 0, [self.root]
        while waiting:
            step = self.plan.steps[waiting.pop()]
            for part in step.args if step.operator != "delay" else ():
                if not self.is_input(part) and self.plan.steps[part].operator != "number":
                    waiting.append(part)
                    reads = len(self._under(part))
                    if most < reads <= INPUTS:
                        best, most = part, reads
        return best


@dataclass
class _Writer:
    """Writes the program of a chain, taking registers from a heap of free ones."""

    chain: Chain
    rows: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    count: int = 0

    def program(self) -> Program:
        self.inputs = tuple(self.chain.inputs())
        values = sorted(set(self._constants(self.chain.root)))
        self.constants = {value: place for place, value in enumerate(values)}
        self.count = len(values)
        self._write(self.chain.root)
        code = np.array(self.rows, dtype=np.int64).reshape(-1, 5)
        return Program(code, np.array(values, dtype=np.float64), self.count, self.inputs)

    def _constants(self, number: int) -> list[float]:
        step, found = self.chain.plan.steps[number], []
        for part in step.args:
            if self.chain.plan.steps[part].operator == "number":
                found.append(self.chain.plan.steps[part].literals[0])
            elif not self.chain.is_input(part) and step.operator != "delay":
                found += self._constants(part)
        return found

    def _write(self, number: int) -> int:
        """Write what computes a step under the root; return the register that has it."""
        step = self.chain.plan.steps[number]
        if step.operator == "number":
            return self.constants[step.literals[0]]
        if self.chain.is_input(number):
            return self._load(number, 0)
        if step.operator == "delay":
            return self._load(step.args[0], int(step.literals[0]))
        held = {part: self._write(part) for part in step.args}
        target = self._take()
        registers = [held[part] for part in step.args] + [0, 0]
        self.rows.append((CODES[step.operator], target, *registers[:3]))  # type: ignore[arg-type]
        self.free += [place for place in set(held.values()) if place >= len(self.constants)]
        return target

    def _load(self, number: int, back: int) -> int:
        target = self._take()
        self.rows.append((CODES["load"], target, self.inputs.index(number), back, 0))
        return target

    def _take(self) -> int:
        if self.free:
            return self.free.pop()
        self.count += 1
        return self.count - 1
