"""A decision moves a strategy version, and only a decision does."""

from dataclasses import replace

import pytest

from apps.accounts.kernel.roles import permissions_of
from apps.approvals import services
from apps.approvals.models import Proposal
from apps.approvals.services import decisions
from apps.audit import selectors as audit
from apps.core.actors import system
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.strategies import services as strategies
from apps.strategies.models import StrategyVersion
from apps.strategies.selectors import get_version
from apps.strategies.services import ensure_version
from tests.conftest import NOW
from tests.factories import research, signing

API = "/api/v1"
WHY = "It held out of sample and survives the costs."


@pytest.fixture
def promote(live_db, actor, team, now):
    version = ensure_version(
        actor=actor("researcher"), name="sma_crossover", params={"fast": 10, "slow": 30}, now=now
    )

    def act(decision, digest=version.digest, tier=1, stage="paper"):
        proposal = services.propose(
            actor=actor("researcher"),
            kind="promotion",
            subject=f"version:{version.id}",
            title="SMA crossover to paper",
            digest=digest,
            evidence={"trades": 120, "probe_passed": True, "deflated_sharpe": 0.99},
            rationale=WHY,
            target_stage=stage,
            current_stage=version.stage,
            tier=tier,
            now=now,
        )
        signing.decide(actor("validator"), proposal, now, decision)
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


def test_an_approval_of_other_content_is_refused_and_moves_nothing(promote, team):
    with pytest.raises(Conflict, match="propose it anew"):
        promote("approve", digest="e" * 64)
    (proposal,) = Proposal.objects.filter(team=team)
    assert (proposal.status, proposal.decisions.count()) == ("open", 0)
    assert StrategyVersion.objects.get(team=team).stage == "draft"


class Killed(BaseException):
    """The process ends here."""


def test_a_process_killed_after_the_decision_leaves_the_version_moved(promote, team, monkeypatch):
    def die(*_):
        raise Killed

    monkeypatch.setattr(decisions, "_send_decided", die)
    with pytest.raises(Killed):
        promote("approve")
    assert Proposal.objects.get(team=team).status == "approved"
    assert StrategyVersion.objects.get(team=team).stage == "paper"


def test_a_process_killed_during_the_move_leaves_the_proposal_open(promote, team, monkeypatch):
    def die(**_):
        raise Killed

    monkeypatch.setattr(strategies, "promote_version", die)
    with pytest.raises(Killed):
        promote("approve")
    proposal = Proposal.objects.get(team=team)
    assert (proposal.status, proposal.decisions.count()) == ("open", 0)
    assert StrategyVersion.objects.get(team=team).stage == "draft"
    monkeypatch.undo()
    services.withdraw(actor=replace_author(proposal, team), proposal_id=proposal.pk, now=NOW)
    assert promote("approve") == "paper"


def replace_author(proposal, team):
    """The author as an actor, whoever it was."""
    return replace(system("tests", team.pk), name=proposal.author)


def test_who_made_a_version_never_decides_it_whoever_proposes(db, actor, team, now):
    maker = actor("researcher")
    version = ensure_version(actor=maker, name="buy_and_hold", params={}, now=now)
    proposal = services.propose(
        actor=actor("trader"),
        kind="promotion",
        subject=f"version:{version.id}",
        title="Buy and hold to paper",
        digest=version.digest,
        evidence={"trades": 120, "probe_passed": True, "deflated_sharpe": 0.99},
        rationale=WHY,
        target_stage="paper",
        now=now,
    )
    promoted = replace(maker, role="validator", permissions=permissions_of("validator"))
    with pytest.raises(Denied, match="Four eyes"):
        signing.decide(promoted, proposal, now)


# Evidence: measured by the lab, never typed.


@pytest.fixture
def version(db, actor, now):
    return ensure_version(actor=actor("researcher"), name="buy_and_hold", params={}, now=now)


def submit(actor, version, now, **changes):
    arguments = {
        "kind": "promotion",
        "subject": f"version:{version.id}",
        "title": "Buy and hold to paper",
        "digest": version.digest,
        "rationale": WHY,
        "target_stage": "paper",
        "now": now,
    }
    return services.submit(actor=actor("trader"), **{**arguments, **changes})


def test_typed_figures_reach_no_gate(version, actor, team, now):
    run = research.make_run(team, now, version, probed=False)
    typed = {"probe_passed": True, "trades": 9999, "metrics": {"deflated_sharpe": 1.0}}
    proposal = submit(actor, version, now, run=str(run.pk), stated=typed)
    assert proposal.evidence["stated"] == typed
    values = {gate["name"]: gate["value"] for gate in proposal.gates}
    assert values == {"probe": None, "deflated_sharpe": None, "pbo": None, "trades": 120}
    assert proposal.evidence["metrics"] == run.result["metrics"]
    facts = proposal.evidence["facts"]
    assert (facts["run"], facts["run digest"]) == (str(run.pk), run.digest)
    assert version.created_by in proposal.editors


@pytest.mark.parametrize(
    ("verdict", "found"),
    [
        (None, (None, "not_available", True)),
        ("leaks", (False, "fail", True)),
        ("unable", (False, "fail", True)),
        ("passed", (True, "pass", False)),
    ],
)
def test_a_promotion_needs_a_probe_that_passed(version, actor, team, now, verdict, found):
    run = research.make_run(team, now, version, probed=False)
    if verdict:
        research.make_probe(team, now, version, verdict)
    proposal = submit(actor, version, now, run=str(run.pk))
    (gate,) = [gate for gate in proposal.gates if gate["name"] == "probe"]
    assert (gate["value"], gate["status"], gate["blocks"]) == found
    if verdict == "leaks":
        with pytest.raises(Conflict):
            signing.decide(actor("validator"), proposal, now)


def test_a_promotion_needs_a_finished_run_of_exactly_its_version(
    version, actor, team, other_team, now
):
    def refused(error, code, run):
        with pytest.raises(error) as caught:
            submit(actor, version, now, run=str(run), stated={"trades": 100})
        assert caught.value.code == code

    other = ensure_version(
        actor=actor("researcher"), name="sma_crossover", params={"fast": 5, "slow": 9}, now=now
    )
    theirs = ensure_version(
        actor=actor("researcher", of=other_team), name="buy_and_hold", params={}, now=now
    )
    refused(Invalid, "proposal.run", "")
    refused(NotFound, "backtest.not_found", "r1")
    refused(NotFound, "backtest.not_found", research.make_run(other_team, now, theirs).pk)
    refused(Conflict, "backtest.not_done", research.make_run(team, now, version, done=False).pk)
    refused(Conflict, "proposal.run_of_other", research.make_run(team, now, other).pk)
    refused(
        Invalid, "backtest.not_tradable", research.make_run(team, now, version, fill="close").pk
    )
    with pytest.raises(Conflict):
        submit(
            actor, version, now, run=str(research.make_run(team, now, version).pk), digest="f" * 64
        )


def test_retiring_needs_no_run(version, actor, now):
    assert submit(actor, version, now, target_stage="retired").evidence == {}


def test_the_door_takes_no_figures_and_the_page_says_what_is_stated(
    version, team, now, api_as, client_as
):
    run = research.make_run(team, now, version, probed=False)
    body = {
        "subject": f"version:{version.id}",
        "title": "Buy and hold to paper",
        "digest": version.digest,
        "target_stage": "paper",
        "evidence": {"metrics": {"sharpe": 9.75}, "probe_passed": True},
        "rationale": WHY,
    }
    client = api_as("researcher")
    refused = client.post(f"{API}/proposals", body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (422, "proposal.run")
    body["run"] = str(run.pk)
    made = client.post(f"{API}/proposals", body, content_type="application/json").json()
    assert made["evidence"]["metrics"]["sharpe"] == 1.4
    assert made["evidence"]["stated"] == body["evidence"]
    assert {gate["status"] for gate in made["gates"] if gate["name"] == "probe"} == {
        "not_available"
    }
    shown = client_as("validator").get(f"/approvals/{made['id']}/").content.decode()
    for words in ("Max drawdown", "Stated by the proposer", "9.7500", "VaR 95 %, historical"):
        assert words in shown
    assert "max_drawdown" not in shown
