"""Strategies that run within fences, and tell which and what that took."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from apps.strategies.kernel.interface import Strategy


@runtime_checkable
class Confined(Protocol):
    """A strategy whose calls go through a sandbox."""

    def used(self) -> dict[str, Any]:
        """Return tier, guard, what it took, at how many closes it knew nothing later."""
        ...

    def finish(self) -> None:
        """End its processes."""
        ...


def trace_of(strategy: Strategy) -> dict[str, Any] | None:
    """End a strategy's processes and return within what it ran; None for the lab's own code."""
    if not isinstance(strategy, Confined):
        return None
    strategy.finish()
    return strategy.used()
