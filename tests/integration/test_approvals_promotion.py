"""A decision moves a strategy version, and only a decision does."""

from dataclasses import replace

import pytest

from apps.accounts.kernel.roles import permissions_of
from apps.approvals import services
from apps.audit import selectors as audit
from apps.core.errors import Denied
from apps.strategies.selectors import get_version
from apps.strategies.services import ensure_version

WHY = "It held out of sample and survives the costs."


@pytest.fixture
def promote(live_db, actor, team, now):
    version = ensure_version(
        actor=actor("researcher"), name="sma_crossover", params={"fast": 10, "slow": 30}, now=now
    )

    def act(decision, digest=version.digest, tier=1):
        proposal = services.propose(
            actor=actor("researcher"),
            kind="promotion",
            subject=f"version:{version.id}",
            title="SMA crossover to paper",
            digest=digest,
            evidence={"metrics": {"sharpe": 1.1}},
            rationale=WHY,
            target_stage="paper",
            current_stage=version.stage,
            tier=tier,
            now=now,
        )
        services.decide(
            actor=actor("validator"),
            proposal_id=proposal.pk,
            decision=decision,
            rationale=WHY,
            seen_digest=proposal.digest,
            now=now,
        )
        return get_version(version.id, team.pk).stage

    return act


def test_an_approved_version_is_on_paper(promote, team):
    assert promote("approve") == "paper"
    actions = {event.action for event in audit.list_events(team_id=team.pk)}
    assert {"proposal.created", "proposal.vote.approve", "proposal.approved"} <= actions
    assert "version.stage_set" in actions


def test_a_rejected_version_stays_where_it_is(promote):
    assert promote("reject") == "draft"


def test_half_a_quorum_moves_nothing(promote):
    assert promote("approve", tier=2) == "draft"


def test_an_approval_of_other_content_moves_nothing(promote):
    assert promote("approve", digest="e" * 64) == "draft"


def test_who_made_a_version_never_decides_it_whoever_proposes(db, actor, team, now):
    maker = actor("researcher")
    version = ensure_version(actor=maker, name="buy_and_hold", params={}, now=now)
    proposal = services.propose(
        actor=actor("trader"),
        kind="promotion",
        subject=f"version:{version.id}",
        title="Buy and hold to paper",
        digest=version.digest,
        evidence={"metrics": {"sharpe": 1.1}},
        rationale=WHY,
        target_stage="paper",
        now=now,
    )
    promoted = replace(maker, role="validator", permissions=permissions_of("validator"))
    with pytest.raises(Denied, match="Four eyes"):
        services.decide(
            actor=promoted,
            proposal_id=proposal.pk,
            decision="approve",
            rationale=WHY,
            seen_digest=proposal.digest,
            now=now,
        )
