"""Other kinds on the same machine: policies, limits, a single trade, a halt's end; amendments."""

from datetime import timedelta
from decimal import Decimal

import pytest

from apps.approvals import selectors, services
from apps.approvals.kernel.quorum import KINDS, PROMOTION
from apps.audit import selectors as audit
from apps.core.errors import Conflict, Denied, Invalid
from apps.risk import selectors as risk_selectors
from apps.risk import services as risk
from apps.trading import services as trade
from apps.trading.errors import Refused
from apps.trading.models import Halt, Order
from tests.factories import people, signing, trading

WHY = "It held out of sample and survives the costs."
DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def model(actor, now):
    def make(author=None, subject="model:1", **changes):
        return services.propose(
            actor=author or actor("researcher"), kind="model", subject=subject, title="A model",
            digest="a" * 64, evidence={}, rationale=WHY, now=now, **changes,
        )  # fmt: skip

    return make


# Policies


def test_a_policy_is_changed_by_two_people_who_did_not_propose_it(actor, team, now):
    key, value = "approvals.tiers_usd", [5_000, 50_000]
    admin = actor("admin")
    with pytest.raises(Denied) as caught:
        services.set_setting(actor=admin, key=key, value=value, now=now)
    assert caught.value.code == "setting.by_proposal"
    with pytest.raises(Denied):
        services.roll_back_setting(actor=admin, key=key, version=0, now=now)
    made = services.propose_setting(actor=admin, key=key, value=value, rationale=WHY, now=now)
    assert made.evidence["changes"]["settings"][0] == {
        "name": "0",
        "before": 10_000,
        "after": 5_000,
    }
    assert signing.decide(actor("validator"), made, now).status == "open"
    assert selectors.get_setting(team.pk, key) == [10_000, 100_000]
    assert signing.decide(actor("risk_manager"), made, now).status == "approved"
    assert selectors.get_setting(team.pk, key) == value
    back = services.propose_setting(
        actor=admin, key=key, value=[10_000, 100_000], rationale=WHY, now=now
    )
    for role in ("validator", "risk_manager"):
        signing.decide(actor(role), back, now)
    assert selectors.get_setting_view(team.pk, key).version == 2


def test_an_agreed_value_meets_what_came_between(actor, team, now):
    key, admin = "approvals.open_days", actor("admin")
    made = services.propose_setting(actor=admin, key=key, value=3, rationale=WHY, now=now)
    services.set_setting(actor=admin, key=key, value=9, now=now)
    signing.decide(actor("validator"), made, now)
    with pytest.raises(Conflict):
        signing.decide(actor("risk_manager"), made, now)
    assert selectors.get_setting(team.pk, key) == 9
    assert selectors.get_proposal(made.pk, team.pk).status == "open"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("approvals.signatures", {"promotion.live": "totp"}),
        ("approvals.signatures", {"default": "fax"}),
        ("approvals.signatures", {"default": "totp", "lunch": "totp"}),
        ("approvals.valid_days", {"paper": 3}),
        ("approvals.review_days", {"paper": 0, "live": 1}),
        ("approvals.gates", [{"name": "x"}]),
        ("nonsense", 1),
    ],
)
def test_a_value_that_cannot_be_is_not_proposed(key, value, actor, now):
    with pytest.raises(Invalid):
        services.propose_setting(
            actor=actor("admin"), key=key, value=value, rationale=WHY, now=now
        )


GATE = {
    "name": "g", "label": "Gate", "figure": "deflated_sharpe", "operator": ">=", "threshold": 0.95,
    "stages": ["paper"], "mode": "on",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threshold": 1.01}, "not from 0 to 1"),
        ({"threshold": -0.1}, "not from 0 to 1"),
        ({"figure": "trades", "threshold": 2e6}, "not from 0 to 1,000,000"),
        ({"figure": "paper_days", "threshold": 4000}, "not from 0 to 3,650"),
        ({"figure": "sharpe", "threshold": 1e10}, "not from"),
        ({"figure": "deflated_sharp"}, "no figure of evidence"),
        ({"figure": "probe_passed", "threshold": 1}, "held by is"),
        ({"operator": "is", "threshold": True}, "held by >= or <="),
        ({"stages": ["production"]}, "stages are some of"),
        ({"stages": []}, "stages are some of"),
        ({"threshold": True}, "threshold is a number"),
        ({"mode": "never"}, "mode one of"),
    ],
)
def test_rest_refuses_gates_that_could_never_hold(change, words, api_as):
    for door, role, value in (
        ("settings/approvals.gates/proposals", "admin", {"value": [{**GATE, **change}]}),
        ("policies/dry-run", "viewer", {"gates": [{**GATE, **change}]}),
    ):
        body = {**value, "rationale": WHY} if "value" in value else value
        answer = api_as(role).post(f"/api/v1/{door}", body, content_type="application/json")
        assert answer.status_code == 422, answer.content
        assert answer.json()["code"] == "setting.value"
        assert words in answer.json()["detail"]


def test_rest_takes_gates_on_any_figure_of_a_run(api_as):
    gates = [GATE, {**GATE, "name": "h", "figure": "sharpe", "threshold": -0.5}]
    body = {"value": gates, "rationale": WHY}
    answer = api_as("admin").post(
        "/api/v1/settings/approvals.gates/proposals", body, content_type="application/json"
    )
    assert answer.status_code == 201, answer.content


def test_which_approvals_of_last_year_would_fail_today(actor, team, now, api_as, settings):
    settings.DECISION_EFFECTS = {}  # the subjects are only names
    made = {}
    for name, trades in (("version:1", 40), ("version:2", 400)):
        made[name] = services.propose(
            actor=actor("researcher"), kind=PROMOTION, subject=name, title=name,
            digest="a" * 64, rationale=WHY, target_stage="researched", now=now,
            evidence={"trades": trades, "probe_passed": True, "deflated_sharpe": 0.99},
        )  # fmt: skip
        signing.decide(actor("validator"), made[name], now)
    gate = {
        "name": "trades", "label": "Closed trades", "figure": "trades", "operator": ">=",
        "threshold": 100, "stages": ["researched"], "mode": "on",
    }  # fmt: skip
    pbo = {**gate, "name": "pbo", "label": "PBO", "figure": "pbo", "threshold": 0.5}
    found = selectors.dry_run(team.pk, now=now + DAY, gates=[gate])
    assert (found["approvals"], found["failing"]) == (2, 1)
    assert {row["subject"]: row["failing"] for row in found["rows"]} == {
        "version:1": ["Closed trades"],
        "version:2": [],
    }
    assert selectors.dry_run(team.pk, now=now, gates=[pbo])["failing"] == 2
    assert selectors.dry_run(team.pk, now=now)["failing"] == 0
    assert selectors.dry_run(team.pk, now=now + 366 * DAY)["approvals"] == 0
    asked = api_as("viewer").post(
        "/api/v1/policies/dry-run",
        {"gates": [gate], "since": (now - DAY).isoformat()},
        content_type="application/json",
    )
    assert (asked.status_code, asked.json()["failing"]) == (200, 1)
    wrong = api_as("viewer").post(
        "/api/v1/policies/dry-run", {"gates": [{}]}, content_type="application/json"
    )
    assert wrong.status_code == 422


# Amendments


def test_an_amendment_voids_the_votes_and_bars_who_wrote_it(actor, model, team, now):
    editor, colleague = actor("trader"), actor("risk_manager")
    author = actor("researcher")
    old = services.propose(
        actor=author, kind="configuration", subject="setting:x", title="T", digest="b" * 64,
        evidence={}, rationale=WHY, now=now,
    )  # fmt: skip
    signing.decide(actor("validator"), old, now)
    new = services.amend(actor=editor, proposal_id=old.pk, rationale=f"{WHY} Amended.", now=now)
    assert (new.supersedes, new.author, new.decisions.count()) == (old.pk, editor.name, 0)
    assert author.name in new.editors
    assert selectors.get_proposal(old.pk, team.pk).status == "withdrawn"
    with pytest.raises(Conflict):
        signing.decide(colleague, selectors.get_proposal(old.pk, team.pk), now)
    with pytest.raises(Conflict):
        services.amend(actor=author, proposal_id=old.pk, title="Again", now=now)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"model", "parameters"}))
def test_kinds_with_a_door_of_their_own_have_no_other(kind, actor, now):
    with pytest.raises(Invalid) as caught:
        services.submit(
            actor=actor("researcher"), kind=kind, subject="x:1", title="T", digest="a" * 64,
            rationale=WHY, now=now,
        )  # fmt: skip
    assert caught.value.code == "proposal.door"


# Limits


def test_tighter_limits_hold_at_once_and_wider_ones_wait(actor, team, now):
    manager, trader = actor("risk_manager"), actor("risk_manager")
    tight = risk.change_limits(
        actor=manager, values={"max_positions": 5}, reason="careful days", now=now
    )
    assert (tight.view.version, tight.proposal_id) == (1, None)
    wide = risk.change_limits(
        actor=manager, values={"max_positions": 50, "restricted": ["A"]}, reason=WHY, now=now
    )
    assert risk_selectors.get_limits(team_id=team.pk).limits.max_positions == 5
    with pytest.raises(Denied):
        risk.set_limits(actor=manager, values={"max_positions": 50}, reason=WHY, now=now)
    proposal = selectors.get_proposal(wide.proposal_id, team.pk)
    with pytest.raises(Denied):
        signing.decide(manager, proposal, now)
    assert signing.decide(trader, proposal, now).status == "approved"
    held = risk_selectors.get_limits(team_id=team.pk)
    assert (held.version, held.limits.max_positions) == (2, 50)


# A single trade, and a halt's end


@pytest.fixture
def account(sample, team, now):
    feed = trading.make_feed(now)
    made = trading.make_account(team, now)
    trading.advance(feed, now)
    return made


def propose_trade(actor, account, now, **changes):
    asked = {"symbol": "AAPL", "side": "buy", "quantity": Decimal(3), "rationale": WHY}
    return trade.propose_order(actor=actor, account_id=account.pk, now=now, **{**asked, **changes})


def test_a_trade_waits_for_somebody_else_and_is_sent_then(
    account, actor, now, django_capture_on_commit_callbacks
):
    author = actor("trader")
    made = propose_trade(author, account, now)
    assert made.expires_at == now + timedelta(minutes=15)
    assert not Order.objects.exists()
    with pytest.raises(Denied):
        signing.decide(author, made, now)
    with django_capture_on_commit_callbacks(execute=True):
        signing.decide(actor("trader"), made, now)
    order = Order.objects.get()
    assert (order.symbol, order.quantity, order.state) == ("AAPL", 3, "accepted")
    assert order.client_id == made.terms["client_id"]


def test_a_trade_is_over_when_its_minutes_are(account, actor, now):
    made = propose_trade(actor("researcher"), account, now)
    late = now + timedelta(minutes=15)
    with pytest.raises(Conflict) as caught:
        signing.decide(actor("trader"), made, late)
    assert caught.value.code == "proposal.expired"
    assert services.expire_old(now=late) == 1
    assert not Order.objects.exists()


def test_a_trade_that_the_guard_refuses_is_not_approved(account, actor, team, now):
    made = propose_trade(actor("trader"), account, now, quantity=Decimal(10**9))
    with pytest.raises(Refused):
        signing.decide(actor("risk_manager"), made, now)
    assert selectors.get_proposal(made.pk, team.pk).status == "open"
    assert not Order.objects.filter(state="accepted").exists()


def test_a_halt_ends_by_two_people(account, actor, team, now, client_as):
    trader, manager, scope = actor("trader"), actor("risk_manager"), f"account:{account.pk}"
    trade.halt(actor=trader, scope=scope, reason="testing", now=now)
    viewer, place = client_as("trader"), f"/live/{account.pk}/"
    assert "Propose to resume" in viewer.get(place).content.decode()
    own = trade.propose_resume(actor=manager, scope=scope, reason="All is well again.", now=now)
    page = viewer.get(place).content.decode()
    assert "waits for another person" in page
    assert f"/approvals/{own.pk}/" in page
    assert "Propose to resume" not in page
    with pytest.raises(Denied):
        signing.decide(manager, own, now)
    with pytest.raises(Denied):
        signing.decide(trader, own, now)
    with pytest.raises(Conflict):
        trade.propose_resume(actor=trader, scope=scope, reason="All is well again.", now=now)
    services.withdraw(actor=manager, proposal_id=own.pk, now=now)
    made = trade.propose_resume(actor=trader, scope=scope, reason="All is well again.", now=now)
    trade.halt(actor=trader, scope=scope, reason="not yet", now=now)
    with pytest.raises(Conflict) as caught:
        signing.decide(manager, made, now)
    assert caught.value.code == "halt.changed"
    assert Halt.objects.get(scope=scope).is_halted
    services.withdraw(actor=trader, proposal_id=made.pk, now=now)
    again = trade.propose_resume(actor=trader, scope=scope, reason="All is well again.", now=now)
    signing.decide(manager, again, now)
    assert not Halt.objects.get(scope=scope).is_halted
    events = audit.list_events(team_id=team.pk, action="halt.resumed")
    assert str(again.pk) in events.first().content["reason"]


def test_a_stranger_proposes_nothing(account, now, other_team):
    from apps.core.errors import NotFound

    with pytest.raises(NotFound):
        propose_trade(people.make_actor(other_team, "trader"), account, now)
