"""What a look at a holdout costs: half of the alpha that is left, each time.

A result on bars that nobody tuned on is tested once at the whole of alpha. Each look makes the
next less of a test; the k-th may claim alpha / 2^k, so that all looks there ever are claim alpha
at most, and none is forbidden. (An alpha-spending rule: by Bonferroni over the looks with weights
1/2, 1/4, 1/8 …)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

ALPHA = 0.05
RULE = "each look takes half of the alpha that is left"


@dataclass(frozen=True, slots=True)
class Price:
    """What some looks cost: ``level`` is the alpha at which the last of them may be judged."""

    looks_before: int
    looks: int
    price: float
    level: float
    alpha_left: float


def price(alpha: float, before: int, looks: int = 1) -> Price:
    """Return what so many more looks cost after those ``before``."""
    left = alpha * 0.5 ** float(before)
    after = alpha * 0.5 ** float(before + looks)
    return Price(before, looks, left - after, after, after)


def touches(start: date | None, end: date | None, first: date | None, last: date | None) -> bool:
    """Tell whether two ranges of days meet; None is open on that side."""
    begins_late = first is not None and end is not None and first > end
    ends_early = last is not None and start is not None and last < start
    return not (begins_late or ends_early)
