"""The kinds of validation there are, by the name that requests and rows give them.

A new kind is a module with an object of ``ground.PlanKind`` and a line here: the service, REST
and the pages read this table.
"""

from __future__ import annotations

from collections.abc import Mapping

from apps.backtests.kernel.spaces import Space, read_space
from apps.backtests.kernel.validation.combinatorial import Purged
from apps.backtests.kernel.validation.ground import MOST_FITS, PlanKind
from apps.backtests.kernel.validation.walking import Naive, WalkForward
from apps.core.errors import Invalid
from apps.strategies.kernel.interface import Params, Spec

KINDS: Mapping[str, PlanKind] = {kind.name: kind for kind in (WalkForward(), Purged(), Naive())}


def kind_of(name: str) -> PlanKind:
    """Return a kind by its name. Raises ``Invalid`` (``validation.kind``)."""
    if name not in KINDS:
        message = f"kind = {name!r}; choose one of {', '.join(KINDS)}."
        raise Invalid(message, code="validation.kind", details={"field": "kind"})
    return KINDS[name]


def combinations_of(given: object, spec: Spec, fixed: Params) -> tuple[Space, tuple[Params, ...]]:
    """Return a space and all its combinations as whole parameters, in the order of the grid.

    Raises ``Invalid`` for a space that can't be counted, and what ``read_space`` refuses.
    """
    space = read_space(given, spec, fixed)
    size = space.size
    if size is None:
        message = "Each fold tries every combination: give lists or steps on every axis."
        raise Invalid(message, code="sweep.space", details={"field": "space"})
    if size > MOST_FITS:
        message = f"{size:,} combinations; a validation fits at most {MOST_FITS:,} over all folds."
        raise Invalid(message, code="validation.too_many", details={"field": "space"})
    return space, tuple({**fixed, **space.at(number)} for number in range(size))
