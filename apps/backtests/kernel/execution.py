"""How orders are executed: volume, margin, protection, lots and ticks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.core.errors import Invalid

SHARES = ("participation", "maintenance", "stop_loss", "trailing_stop")


@dataclass(frozen=True, slots=True)
class Execution:
    """Terms of execution; None or 0 is without.

    Parameters
    ----------
    participation
        Largest share of a bar's volume that the run may fill in it.
    leverage
        Largest gross value over equity at a fill.
    maintenance
        Equity below this share of gross value at a close makes a margin call.
    stop_loss, take_profit, trailing_stop
        Close a position that lost, gained or gave back this share of its average price, or of
        its best price since.
    lot, tick
        Smallest unit of quantity and of price, one for all or by symbol.
    venues
        Where each symbol trades, for the schedule of fees.
    """

    participation: float | None = None
    leverage: float | None = None
    maintenance: float | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop: float | None = None
    lot: float | Mapping[str, float] = 0.0
    tick: float | Mapping[str, float] = 0.0
    venues: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (*SHARES, "take_profit", "leverage"):
            value = getattr(self, name)
            most = {"take_profit": 100.0, "leverage": 100.0}.get(name, 1.0)
            if value is not None and not (math.isfinite(value) and 0.0 < value <= most):
                raise _refusal(name, value, f"a number above 0 up to {most:g}")
        for name in ("lot", "tick"):
            given = getattr(self, name)
            for value in given.values() if isinstance(given, Mapping) else (given,):
                if not (math.isfinite(value) and 0.0 <= value <= 1e9):
                    raise _refusal(name, value, "a number from 0 to 1e9")

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for."""
        return self == Execution()


def _refusal(name: str, value: object, expected: str) -> Invalid:
    message = f"execution.{name} = {value!r}; {expected} is expected."
    return Invalid(message, code="execution.range", details={"field": f"execution.{name}"})
