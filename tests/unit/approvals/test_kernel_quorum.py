"""Whose agreement is needed, and what votes come to."""

import itertools

import pytest

from apps.accounts.kernel.roles import ROLES
from apps.approvals.kernel import quorum
from apps.approvals.kernel.quorum import APPROVE, EITHER, REJECT, RISK_MANAGER, VALIDATOR, Vote


def vote(number, role, decision=APPROVE):
    return Vote(f"user:{number}", decision, ROLES[role])


def test_tiers_are_those_of_the_rules():
    assert quorum.slots_of("promotion", "paper", 1) == (VALIDATOR,)
    assert quorum.slots_of("promotion", "paper", 2) == (VALIDATOR, RISK_MANAGER)
    assert quorum.slots_of("promotion", "live", 3) == (VALIDATOR, RISK_MANAGER, EITHER)
    assert quorum.slots_of("promotion", "live", 1) == (RISK_MANAGER,)


@pytest.mark.parametrize(
    ("capital", "tier"), [(0, 1), (10_000, 1), (10_001, 2), (100_000, 2), (1e6, 3)]
)
def test_the_tier_follows_the_capital(capital, tier):
    assert quorum.tier_of(capital, [10_000, 100_000]) == tier


@pytest.mark.parametrize("role", sorted(set(ROLES) - {"validator"}))
def test_only_a_validator_fills_tier_1(role):
    slots = quorum.slots_of("promotion", "paper", 1)
    assert quorum.outcome(slots, [vote(1, role)]) == "open"
    assert quorum.outcome(slots, [vote(1, "validator")]) == "approved"


@pytest.mark.parametrize("votes", list(itertools.permutations(["validator", "risk_manager"])))
def test_tier_2_needs_both_in_any_order(votes):
    slots = quorum.slots_of("promotion", "paper", 2)
    cast = [vote(i, role) for i, role in enumerate(votes)]
    assert quorum.outcome(slots, cast[:1]) == "open"
    assert quorum.outcome(slots, cast) == "approved"


def test_two_of_one_role_do_not_fill_tier_2():
    slots = quorum.slots_of("promotion", "paper", 2)
    cast = [vote(1, "validator"), vote(2, "validator")]
    assert quorum.outcome(slots, cast) == "open"
    assert quorum.open_slots(slots, cast) == [RISK_MANAGER]


@pytest.mark.parametrize("third", ["validator", "risk_manager"])
def test_tier_3_takes_one_more_of_either(third):
    slots = quorum.slots_of("promotion", "live", 3)
    for order in itertools.permutations(["validator", "risk_manager", third]):
        cast = [vote(i, role) for i, role in enumerate(order)]
        assert quorum.outcome(slots, cast[:2]) == "open"
        assert quorum.outcome(slots, cast) == "approved"


def test_one_vote_against_rejects():
    slots = quorum.slots_of("promotion", "live", 3)
    cast = [vote(1, "validator"), vote(2, "risk_manager", REJECT)]
    assert quorum.outcome(slots, cast) == "rejected"


def test_a_vote_without_power_fills_nothing():
    assert quorum.outcome((VALIDATOR,), [vote(1, "admin"), vote(2, "researcher")]) == "open"


@pytest.mark.parametrize("kind", sorted(quorum.KINDS))
def test_every_kind_can_be_decided_by_some_role(kind):
    slots = quorum.slots_of(kind, "", 1)
    deciders = [role for role in ROLES if quorum.powers_for(slots, ROLES[role])]
    assert deciders
    assert "admin" not in deciders
    assert "researcher" not in deciders


def test_unknown_kinds_and_tiers_are_refused():
    with pytest.raises(ValueError, match="'lunch' is not a kind"):
        quorum.slots_of("lunch", "", 1)
    with pytest.raises(ValueError, match="4 is not a tier"):
        quorum.slots_of("promotion", "paper", 4)


def test_every_slot_has_a_name():
    used = {slot for slots in (*quorum.TIERS.values(), *quorum.KINDS.values()) for slot in slots}
    assert used <= set(quorum.NAMES)
