"""Proposals and decisions: who may, what binds, what the trail and the database keep."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError, ProgrammingError

from apps.approvals import selectors, services
from apps.approvals.models import Decision, Proposal, Setting
from apps.audit import selectors as audit
from apps.audit import store
from apps.core.actors import system
from apps.core.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from tests.factories import signing

DIGEST = "a" * 64
EVIDENCE = {
    "metrics": {"sharpe": 1.4, "trades": 120, "volatility": float("nan")},
    "run": "r1",
    "probe_passed": True,
    "deflated_sharpe": 0.99,
}
WHY = "It held out of sample and survives the costs."


@pytest.fixture(autouse=True)
def _nothing_follows(settings):
    """The subjects here are only names: no stage moves, no run speaks for them."""
    settings.DECISION_EFFECTS = {}
    settings.EVIDENCE_SOURCES = {}


@pytest.fixture
def propose(actor, now):
    def make(author=None, **changes):
        arguments = {
            "kind": "promotion",
            "subject": "version:1",
            "title": "Momentum to paper",
            "digest": DIGEST,
            "evidence": EVIDENCE,
            "rationale": WHY,
            "target_stage": "paper",
            "now": now,
        }
        return services.propose(actor=author or actor("researcher"), **{**arguments, **changes})

    return make


def decide(who, proposal, now, decision="approve", **changes):
    return signing.decide(who, proposal, now, decision, **changes)


def actions(team):
    rows = audit.list_events(team_id=team.pk)
    return [row.action for row in reversed(rows)]


@pytest.mark.django_db
def test_a_proposal_is_approved_by_a_validator(propose, actor, team, now):
    proposal = propose()
    assert proposal.evidence["metrics"]["volatility"] is None
    settled = decide(actor("validator"), proposal, now)
    assert settled.status == "approved"
    view = selectors.find_approval(
        team_id=team.pk, kind="promotion", subject="version:1", digest=DIGEST
    )
    assert view.proposal_id == proposal.pk
    assert actions(team) == ["proposal.created", "proposal.vote.approve", "proposal.approved"]


@pytest.mark.django_db
def test_the_approval_holds_for_this_content_only(propose, actor, team, other_team, now):
    decide(actor("validator"), propose(), now)
    asked = {"team_id": team.pk, "kind": "promotion", "subject": "version:1", "digest": DIGEST}
    assert selectors.find_approval(**asked, target_stage="paper")
    for change in (
        {"digest": "b" * 64},
        {"subject": "version:2"},
        {"kind": "code"},
        {"team_id": other_team.pk},
        {"target_stage": "live"},
    ):
        assert selectors.find_approval(**{**asked, **change}) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    "role", ["viewer", "researcher", "risk_manager", "trader", "admin", "auditor"]
)
def test_other_roles_do_not_decide_a_promotion_to_paper(role, propose, actor, now):
    proposal = propose()
    with pytest.raises(Denied, match="This is decided by: validator") as caught:
        decide(actor(role), proposal, now)
    assert caught.value.code == "denied.role"


@pytest.mark.django_db
def test_the_author_never_decides(propose, actor, now, team):
    author = actor("risk_manager")
    proposal = propose(author=author, kind="limits", target_stage="", subject="limits:1")
    with pytest.raises(Denied, match="Four eyes") as caught:
        decide(author, proposal, now)
    assert caught.value.code == "denied.own_proposal"
    assert decide(actor("risk_manager"), proposal, now).status == "approved"


@pytest.mark.django_db
def test_the_last_editor_never_decides(propose, actor, now):
    editor = actor("validator")
    proposal = propose(editors=[editor.name])
    with pytest.raises(Denied, match="Four eyes"):
        decide(editor, proposal, now)


@pytest.mark.django_db
def test_the_lab_itself_never_decides(propose, team, now):
    with pytest.raises(Denied, match="Only a person"):
        decide(system("tests", team.pk), propose(), now)


@pytest.mark.django_db
def test_another_team_does_not_even_see_it(propose, actor, other_team, now):
    proposal = propose()
    stranger = actor("validator", other_team)
    with pytest.raises(NotFound):
        decide(stranger, proposal, now)
    with pytest.raises(NotFound):
        services.withdraw(actor=actor("researcher", other_team), proposal_id=proposal.pk, now=now)
    with pytest.raises(NotFound):
        selectors.get_proposal(proposal.pk, other_team.pk)
    assert selectors.list_waiting(stranger, now) == []


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", ["not-a-uuid", "", "7d1f0c52-3c1e-4a52-9a29-0f6d1f7a53c1"])
def test_an_unknown_proposal_is_not_found(wrong, actor, now):
    with pytest.raises(NotFound):
        services.decide(
            actor=actor("validator"),
            proposal_id=wrong,
            decision="approve",
            rationale=WHY,
            seen_digest=DIGEST,
            now=now,
        )


@pytest.mark.django_db
def test_a_decided_proposal_stays_decided(propose, actor, now):
    proposal = propose()
    decide(actor("validator"), proposal, now, "reject")
    with pytest.raises(Conflict, match="rejected already") as caught:
        decide(actor("validator"), proposal, now)
    assert caught.value.code == "proposal.closed"
    with pytest.raises(Denied, match="Only who proposed"):
        services.withdraw(actor=actor("researcher"), proposal_id=proposal.pk, now=now)


@pytest.mark.django_db
@pytest.mark.parametrize("seen", ["", "b" * 64, DIGEST])
def test_a_decision_on_other_content_is_refused(seen, propose, actor, now):
    with pytest.raises(Conflict, match="read it again") as caught:
        decide(actor("validator"), propose(), now, seen_digest=seen)
    assert caught.value.code == "proposal.changed"


@pytest.mark.django_db
@pytest.mark.parametrize("rationale", ["", "fine", "   fine     ", "x" * 4001])
def test_a_decision_needs_a_reason(rationale, propose, actor, now):
    with pytest.raises(Invalid, match="rationale"):
        decide(actor("validator"), propose(), now, rationale=rationale)


@pytest.mark.django_db
def test_a_decision_is_approve_or_reject(propose, actor, now):
    with pytest.raises(Invalid, match="approve or reject"):
        decide(actor("validator"), propose(), now, "perhaps")


@pytest.mark.django_db
def test_tier_2_takes_two_people(propose, actor, team, now):
    proposal = propose(tier=2)
    validator, manager = actor("validator"), actor("risk_manager")
    assert decide(validator, proposal, now).status == "open"
    with pytest.raises(Denied, match="decided this already"):
        decide(validator, proposal, now)
    with pytest.raises(Denied, match="Your role has agreed"):
        decide(actor("validator"), proposal, now)
    assert selectors.still_needed(selectors.get_proposal(proposal.pk, team.pk)) == ["risk manager"]
    assert [row.pk for row in selectors.list_waiting(manager, now)] == [proposal.pk]
    assert decide(manager, proposal, now).status == "approved"


@pytest.mark.django_db
def test_a_proposal_expires(propose, actor, team, now):
    proposal = propose()
    late = now + timedelta(days=15)
    with pytest.raises(Conflict, match="expired"):
        decide(actor("validator"), proposal, late)
    assert services.expire_old(now=late) == 1
    assert services.expire_old(now=late) == 0
    assert selectors.get_proposal(proposal.pk, team.pk).status == "expired"


@pytest.mark.django_db
def test_the_author_withdraws_and_may_propose_again(propose, actor, now):
    author = actor("researcher")
    proposal = propose(author=author)
    with pytest.raises(Denied, match="Only who proposed"):
        services.withdraw(actor=actor("researcher"), proposal_id=proposal.pk, now=now)
    services.withdraw(actor=author, proposal_id=proposal.pk, now=now)
    with pytest.raises(Conflict, match="withdrawn already"):
        services.withdraw(actor=author, proposal_id=proposal.pk, now=now)
    assert propose(author=author).status == "open"


@pytest.mark.django_db
def test_the_same_thing_is_open_once(propose):
    propose()
    with pytest.raises(Conflict, match="proposed already"):
        propose()
    assert Proposal.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "lunch"}, "not a kind"),
        ({"subject": "version"}, "kind:id"),
        ({"subject": ":1"}, "kind:id"),
        ({"digest": "abc"}, "sha-256"),
        ({"title": "  "}, "title"),
        ({"rationale": "short"}, "rationale"),
        ({"target_stage": "production"}, "not a stage"),
        ({"target_stage": "draft"}, "not a stage"),
        ({"tier": 4}, "not a tier"),
        ({"evidence": {"text": "x" * 50_000}}, "evidence"),
        ({"evidence": {"when": object()}}, "evidence"),
    ],
)
def test_bad_proposals_are_refused_and_nothing_is_kept(change, words, propose, team):
    with pytest.raises(Invalid, match=words):
        propose(**change)
    assert Proposal.objects.count() == 0
    assert actions(team) == []


@pytest.mark.django_db
def test_no_way_leads_back(propose):
    with pytest.raises(Conflict, match="no way from paper to validated"):
        propose(target_stage="validated", current_stage="paper")
    with pytest.raises(Conflict, match="without having been paper"):
        propose(target_stage="live", current_stage="validated")


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["viewer", "validator", "auditor"])
def test_some_roles_do_not_propose(role, propose, actor):
    with pytest.raises(Denied):
        propose(author=actor(role))


@pytest.mark.django_db
def test_a_failed_gate_bars_approval_but_not_rejection(propose, actor, now):
    proposal = propose(
        evidence={"metrics": {"trades": 12}, "probe_passed": True, "deflated_sharpe": 0.99}
    )
    with pytest.raises(Conflict, match="Closed trades") as caught:
        decide(actor("validator"), proposal, now)
    assert caught.value.code == "proposal.gate"
    assert decide(actor("validator"), proposal, now, "reject").status == "rejected"


@pytest.mark.django_db
def test_an_enforced_gate_without_its_figure_fails_closed(propose, actor, team, now):
    gates = selectors.get_setting(team.pk, "approvals.gates")
    for row in gates:
        row["mode"] = "on" if row["name"] == "deflated_sharpe" else "off"
    lab = system("tests", team.pk)
    services.set_setting(actor=lab, key="approvals.gates", value=gates, now=now)
    evidence = {name: value for name, value in EVIDENCE.items() if name != "deflated_sharpe"}
    with pytest.raises(Conflict, match="Deflated Sharpe"):
        decide(actor("validator"), propose(evidence=evidence), now)


@pytest.mark.django_db
def test_the_signal_tells_what_was_decided(
    propose, actor, team, now, django_capture_on_commit_callbacks
):
    found = []

    def listen(**news):
        found.append(news)

    def fail(**_news):
        message = "a receiver that fails harms nobody"
        raise ValueError(message)

    services.decided.connect(fail)
    services.decided.connect(listen)
    try:
        proposal = propose()
        with django_capture_on_commit_callbacks(execute=True):
            decide(actor("validator"), proposal, now)
    finally:
        services.decided.disconnect(listen)
        services.decided.disconnect(fail)
    (news,) = found
    assert (news["subject"], news["digest"], news["decision"]) == ("version:1", DIGEST, "approve")
    assert (news["team_id"], news["target_stage"]) == (team.pk, "paper")
    assert news["proposal_id"] == proposal.pk


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE approvals_decision SET decision = 'reject'",
        "DELETE FROM approvals_decision",
        "TRUNCATE approvals_decision",
        "UPDATE approvals_setting SET value = '1'",
        "DELETE FROM approvals_setting",
        "UPDATE approvals_proposal SET evidence = '{}'",
        "UPDATE approvals_proposal SET status = 'open'",
        "UPDATE approvals_proposal SET status = 'rejected'",
        "ALTER TABLE approvals_decision DISABLE TRIGGER ALL",
        "DROP TABLE approvals_decision",
    ],
)
def test_the_database_refuses_to_change_what_was_decided(statement, propose, actor, team, now):
    decide(actor("validator"), propose(), now)
    services.set_setting(actor=actor("admin"), key="approvals.open_days", value=3, now=now)
    refused = pytest.raises((ProgrammingError, DatabaseError))
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert Decision.objects.get().decision == "approve"
    assert Setting.objects.get().value == 3


def test_two_deciders_at_once_give_one_outcome(live_db, propose, actor, now, team):
    for turn in range(5):
        proposal = propose(subject=f"version:{turn}")
        people = [(actor("validator"), word) for word in ("approve", "reject") * 2]
        results, barrier = [], threading.Barrier(len(people))

        def act(who, word, proposal=proposal, results=results, barrier=barrier):
            barrier.wait()
            try:
                results.append(decide(who, proposal, now, word).status)
            except Conflict as error:
                results.append(error.code)
            finally:
                connection.close()

        threads = [threading.Thread(target=act, args=person) for person in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        final = selectors.get_proposal(proposal.pk, team.pk)
        assert sorted(results) == sorted([final.status, *["proposal.closed"] * 3])
        assert final.decisions.count() == 1


@pytest.mark.django_db
def test_a_failure_undoes_both_the_act_and_its_event(propose, actor, team, now, monkeypatch):
    proposal = propose()
    monkeypatch.setattr(Decision.objects, "create", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        decide(actor("validator"), proposal, now)
    assert actions(team) == ["proposal.created"]


@pytest.mark.django_db
def test_approvals_wait_while_the_ledger_does_not_keep_up(
    propose, actor, team, now, settings, monkeypatch
):
    """Case 95: the sequencer is dead; what is recorded goes on, nothing is let loose meanwhile."""
    settings.LEDGER_LATE_SECONDS, waited = 60.0, [61.0]
    monkeypatch.setattr(store, "oldest_wait", lambda: waited[0])
    proposal, validator = propose(), actor("validator")
    with pytest.raises(Unavailable) as caught:
        signing.decide(validator, proposal, now)
    assert (caught.value.code, proposal.decisions.count()) == ("ledger.late", 0)
    other = propose(subject="version:2")
    assert signing.decide(validator, other, now, "reject").status == "rejected"
    waited[0] = 59.0
    assert signing.decide(validator, proposal, now).status == "approved"


@pytest.mark.django_db
def test_settings_are_versioned_and_rolled_back(actor, team, now):
    admin, key = actor("admin"), "approvals.open_days"
    assert selectors.get_setting(team.pk, key) == 14
    services.set_setting(actor=admin, key=key, value=7, now=now, note="faster")
    services.set_setting(actor=admin, key=key, value=30, now=now, expected_version=1)
    assert selectors.get_setting_view(team.pk, key).version == 2
    with pytest.raises(Conflict, match="version 2, not 1"):
        services.set_setting(actor=admin, key=key, value=9, now=now, expected_version=1)
    back = services.roll_back_setting(actor=admin, key=key, version=1, now=now)
    assert (back.value, back.version) == (7, 3)
    assert services.roll_back_setting(actor=admin, key=key, version=0, now=now).value == 14
    with pytest.raises(NotFound, match="no version 9"):
        services.roll_back_setting(actor=admin, key=key, version=9, now=now)
    assert actions(team) == ["setting.changed"] * 4


@pytest.mark.django_db
def test_settings_refuse_bad_values_and_other_roles(actor, team, other_team, now):
    with pytest.raises(Invalid, match="whole number"):
        services.set_setting(
            actor=actor("admin"), key="approvals.open_days", value="soon", now=now
        )
    with pytest.raises(Invalid, match="not a setting"):
        services.set_setting(actor=actor("admin"), key="lunch", value=1, now=now)
    with pytest.raises(Denied):
        services.set_setting(
            actor=actor("researcher"), key="approvals.open_days", value=1, now=now
        )
    services.set_setting(actor=actor("admin"), key="approvals.open_days", value=1, now=now)
    assert selectors.get_setting(other_team.pk, "approvals.open_days") == 14
