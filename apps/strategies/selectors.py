"""Reads of strategies: the library, the inventory, versions."""

from __future__ import annotations

from apps.core.plugs import list_plugs, load_plug
from apps.strategies.kernel.interface import Spec, Strategy

LIBRARY = "STRATEGY_LIBRARY"


def get_strategy(name: str) -> Strategy:
    """Return the library's member ``name``. Raises ``NotFound`` with the names there are."""
    found: Strategy = load_plug(LIBRARY, name)
    return found


def list_strategies() -> list[Spec]:
    """Return what every member of the library says of itself, in the table's order."""
    return [get_strategy(name).spec for name in list_plugs(LIBRARY)]
