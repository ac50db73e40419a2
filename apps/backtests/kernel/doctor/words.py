"""How figures stand in the doctor's sentences."""

from __future__ import annotations

import math


def percent(value: float) -> str:
    """Return a fraction in percent."""
    return "nothing known" if not math.isfinite(value) else f"{100.0 * value:,.1f} %"


def money(value: float) -> str:
    """Return an amount with its thousands."""
    places = 0 if abs(value) >= 100.0 else 2
    return f"{value:,.{places}f}"


def count(n: int, noun: str, many: str = "") -> str:
    """Return a number with its noun."""
    return f"{n:,} {noun if n == 1 else many or f'{noun}s'}"


def without(value: float) -> str:
    """Return what is left of a profit, or the loss it becomes."""
    return f"{money(value)} is left" if value > 0.0 else f"a loss of {money(-value)} is left"
