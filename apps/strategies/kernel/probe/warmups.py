"""How much history a strategy needs to say what it says with all of it."""

from __future__ import annotations

from apps.strategies.kernel.probe.outputs import Outputs, Subject, differing
from apps.strategies.kernel.probe.sheets import Sheet

# At how many closes, and the shortest history that is tried.
CLOSES, SHORTEST = 3, 2


def found_warmup(
    subject: Subject,
    sheet: Sheet,
    whole: Outputs,
    cuts: tuple[int, ...],
    errors: tuple[type[Exception], ...],
) -> int | None:
    """Return how many bars before a close are enough for the same outputs at it.

    The most that some closes need; None when one needs all there is, as what is held since some
    day does. Found by doubling, then halving what is between: more history is taken to be as good.
    """
    step = max(len(cuts) // CLOSES, 1)
    needs = [_needed(subject, sheet, whole, cut, errors) for cut in cuts[::-1][::step][:CLOSES]]
    known = [one for one in needs if one is not None]
    return max(known) if len(known) == len(needs) and known else None


def _needed(
    subject: Subject, sheet: Sheet, whole: Outputs, cut: int, errors: tuple[type[Exception], ...]
) -> int | None:
    def is_enough(bars: int) -> bool:
        panel = sheet.panel.rows(cut + 1 - bars, cut + 1)
        try:
            found = subject.outputs(panel)
        except errors:
            return False
        return not any(
            differing(whole[name][cut : cut + 1], found[name][-1:]).any() for name in whole
        )

    bars = SHORTEST
    while bars <= cut and not is_enough(bars):
        bars *= 2
    if bars > cut:
        return None
    low, high = bars // 2, bars
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high - 1
