"""The stages of a strategy version, and the steps between them. There is no side door."""

from __future__ import annotations

STAGES = ("draft", "researched", "validated", "paper", "live", "retired")
RETIRED = "retired"
# A version must have lived in these stages before it may go further.
NEVER_SKIPPED = frozenset({"paper", "live"})

# Where a version falls back to when the approval of its stage lapses.
LAPSED_TO = {"live": "paper", "paper": "validated"}

STATUSES = ("open", "approved", "rejected", "withdrawn", "expired")


def steps(current: str, target: str) -> tuple[str, ...]:
    """Return the stages entered on the way from ``current`` to ``target``, the target last.

    One proposal may cover several early steps; paper can't be skipped on the way to live. Anything
    may be retired, and nothing comes back. Raises ValueError when there is no way.
    """
    for stage in (current, target):
        if stage not in STAGES:
            message = f"{stage!r} is not a stage; the stages are {', '.join(STAGES)}"
            raise ValueError(message)
    here, there = STAGES.index(current), STAGES.index(target)
    if there <= here:
        message = f"there is no way from {current} to {target}; stages only go forward"
        raise ValueError(message)
    if target == RETIRED:
        return (RETIRED,)
    passed = STAGES[here + 1 : there]
    if skipped := NEVER_SKIPPED & set(passed):
        message = f"{current} can't become {target} without having been {', '.join(skipped)}"
        raise ValueError(message)
    return (*passed, target)
