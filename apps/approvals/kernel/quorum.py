"""Whose agreement a proposal needs, and what the votes so far come to.

A slot is a set of permissions, any of which fills it. A vote fills one slot at most, so two slots
need two people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

VALIDATES = "proposals.decide.paper"
TAKES_RISK = "proposals.decide.live"
TRADES = "trading.order"
APPROVE, REJECT = "approve", "reject"

Slot = frozenset[str]
VALIDATOR: Slot = frozenset({VALIDATES})
RISK_MANAGER: Slot = frozenset({TAKES_RISK})
EITHER: Slot = frozenset({VALIDATES, TAKES_RISK})
TRADER: Slot = frozenset({TRADES, TAKES_RISK})

TIERS: dict[int, tuple[Slot, ...]] = {
    1: (VALIDATOR,),
    2: (VALIDATOR, RISK_MANAGER),
    3: (VALIDATOR, RISK_MANAGER, EITHER),
}
KINDS: dict[str, tuple[Slot, ...]] = {
    "limits": (RISK_MANAGER,),
    "configuration": (VALIDATOR, RISK_MANAGER),
    "resume": (RISK_MANAGER,),
    "code": (VALIDATOR,),
    "parameters": (VALIDATOR,),
    "model": (VALIDATOR,),
    "order": (TRADER,),
    "rebalance": (TRADER,),
    "balancer": (RISK_MANAGER,),
}
PROMOTION = "promotion"
# Carried out in the moment of approval: nothing of them stays in force.
DONE_AT_ONCE = ("order", "rebalance", "resume")
NAMES: dict[Slot, str] = {
    VALIDATOR: "validator",
    RISK_MANAGER: "risk manager",
    EITHER: "validator or risk manager",
    TRADER: "trader or risk manager",
}


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's decision and the permissions held when it was made."""

    decider: str
    decision: str
    powers: frozenset[str]


def slots_of(kind: str, target_stage: str, tier: int) -> tuple[Slot, ...]:
    """Return the slots of a proposal. Raises ValueError for an unknown kind or tier."""
    if kind in KINDS:
        return KINDS[kind]
    if kind != PROMOTION:
        known = ", ".join((PROMOTION, *KINDS))
        message = f"{kind!r} is not a kind of proposal; the kinds are {known}"
        raise ValueError(message)
    if tier not in TIERS:
        message = f"{tier} is not a tier; the tiers are 1, 2 and 3"
        raise ValueError(message)
    if target_stage == "live" and tier == 1:
        return (RISK_MANAGER,)
    return TIERS[tier]


def tier_of(capital: float, limits: Sequence[float]) -> int:
    """Return the tier of a capital in USD, ``limits`` being the upper ends of tiers 1 and 2."""
    return 1 + sum(capital > limit for limit in limits)


def outcome(slots: Sequence[Slot], votes: Sequence[Vote]) -> str:
    """Return ``rejected`` by one vote against, ``approved`` when all is filled, else ``open``."""
    if any(vote.decision == REJECT for vote in votes):
        return "rejected"
    return "open" if open_slots(slots, votes) else "approved"


def open_slots(slots: Sequence[Slot], votes: Sequence[Vote]) -> list[Slot]:
    """Return the slots that the votes leave open when they are placed as well as can be."""
    for_it = [vote for vote in votes if vote.decision == APPROVE]
    if not for_it:
        return list(slots)
    vote, rest = for_it[0], for_it[1:]
    best = open_slots(slots, rest)
    for index, slot in enumerate(slots):
        if slot & vote.powers:
            left = open_slots([*slots[:index], *slots[index + 1 :]], rest)
            best = min(best, left, key=len)
    return best


def powers_for(slots: Sequence[Slot], permissions: frozenset[str]) -> frozenset[str]:
    """Return which of the held permissions count towards these slots."""
    asked: frozenset[str] = frozenset().union(*slots)
    return asked & permissions
