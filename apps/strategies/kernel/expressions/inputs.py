"""What a formula reads beyond the bars, and whether a panel has it."""

from __future__ import annotations

import numpy as np

from apps.core.errors import Invalid
from apps.market.kernel.bars import FIELDS as PRICES
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.expressions.nodes import Field, Node, nodes_of
from apps.strategies.kernel.expressions.operators import DERIVED, FIELDS
from apps.strategies.kernel.expressions.tokens import refuse


def fields_of(node: Node) -> tuple[str, ...]:
    """Return the names of all fields a formula reads, by name."""
    return tuple(sorted({part.name for part in nodes_of(node) if isinstance(part, Field)}))


def inputs_of(node: Node) -> tuple[str, ...]:
    """Return the names of what a formula needs beyond the bars, such as ``funding``."""
    return tuple(name for name in fields_of(node) if name not in FIELDS and name not in DERIVED)


def refuse_inputs(node: Node, known: frozenset[str], where: str) -> None:
    """Raise ``Invalid`` at the first field needed beyond the bars that is not in ``known``."""
    for name in inputs_of(node):
        if name not in known:
            raise _refusal(node, name, where)


def refuse_missing(node: Node, panel: Panel) -> None:
    """Raise ``Invalid`` at the first field of which a panel knows nothing."""
    for name in inputs_of(node):
        values = panel.extras.get(name)
        if values is None or not np.isfinite(values).any():
            more = f" and {panel.n_assets - 2} more" if panel.n_assets > 2 else ""
            raise _refusal(node, name, f"{', '.join(panel.symbols[:2])}{more}")


def _refusal(node: Node, name: str, where: str) -> Invalid:
    columns = [part.column for part in nodes_of(node) if part == Field(name)]
    hint = f"choose data that has it, or use {', '.join(('returns', *PRICES))}."
    message = f"nothing is known of {name} for {where}; {hint}"
    return refuse("no_field", next((column for column in columns if column), 1), message)
