"""What a strategy puts out, and where two of its answers differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.bars import Floats, Panel

# Sums of the same numbers may be added up in another order in a shorter array (vector
# instructions take them in blocks of the length they find), and a transform over all bars brings
# the size of far ones into the last bits. 1e-9 lies far above both and far below what trades.
TOLERANCE = 1e-9
Outputs = dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the text something later gets in; ``column`` counts from 1."""

    line: int | None = None
    column: int | None = None


class Subject(Protocol):
    """A strategy with its parameters, as the probe asks it."""

    def outputs(self, panel: Panel) -> Outputs:
        """Return features and decisions by name, each ``(n_bars, n_assets)``."""
        ...

    def afresh(self) -> None:
        """Forget everything: what is asked next must not know what was asked before."""
        ...

    def place(self, whole: Panel, other: Panel, cut: int) -> Place | None:
        """Return where the text makes what is known at ``cut`` differ, if it can tell."""
        ...


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place at which two answers differ: by time, then features before decisions."""

    output: str
    row: int
    column: int
    whole: float
    other: float
    cells: int


def difference(whole: Outputs, other: Outputs, cut: int) -> Difference | None:
    """Return where outputs of bars up to ``cut`` differ first, None when they are the same."""
    found: list[Difference] = []
    for name in whole:
        if name not in other:
            continue
        apart = differing(whole[name][: cut + 1], other[name][: cut + 1])
        if not apart.any():
            continue
        row, column = (int(one) for one in np.argwhere(apart)[0])
        one, two = float(whole[name][row, column]), float(other[name][row, column])
        found.append(Difference(name, row, column, one, two, int(apart.sum())))
    return min(found, key=lambda one: one.row) if found else None


def differing(one: Floats, other: Floats) -> NDArray[np.bool_]:
    """Tell where values differ by more than the order of a sum can explain; NaN equals NaN."""
    rows = min(len(one), len(other))
    one, other = one[:rows], other[:rows]
    if _same_bits(one, other):  # as most are
        return np.zeros(one.shape, np.bool_)
    with np.errstate(invalid="ignore"):
        near = np.abs(one - other) <= TOLERANCE * np.maximum(np.abs(one), np.abs(other)) + 1e-15
    same = (one == other) | near | (np.isnan(one) & np.isnan(other))
    return np.asarray(~same)


def _same_bits(one: Floats, other: Floats) -> bool:
    """Tell whether the values are equal with what is missing in the same places."""
    plain = all(a.flags.c_contiguous and a.dtype == np.float64 for a in (one, other))
    if not plain:
        return False
    return bool(np.array_equal(one.view(np.int64), other.view(np.int64)))
