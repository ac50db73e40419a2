"""What an approval covers: a change of any of it voids it, and what ran under it stops."""

from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest

from apps.approvals import services as approvals
from apps.approvals.kernel import terms as agreed
from apps.approvals.models import Lapse, Proposal
from apps.audit import selectors as audit
from apps.core.actors import system
from apps.core.errors import Conflict, Invalid
from apps.risk import services as risk
from apps.strategies import selectors as strategies
from apps.strategies import services as strategy_services
from apps.trading import services
from apps.trading.errors import Changed, NotApproved
from apps.trading.models import Account, Deployment, Order
from tests.factories import people, research, signing, trading

WHY = "It held out of sample and survives the costs."


@pytest.fixture
def feed(sample, live_db, now):
    made = trading.make_feed(now)
    yield made
    made.delete()


class Agreed:
    """A version with a run, an account, and an approval of exactly both."""

    def __init__(self, team, now, **asked):
        self.team, self.now = team, now
        self.author = people.make_actor(team, "researcher")
        self.version = strategy_services.ensure_version(
            actor=self.author, name="buy_and_hold", params={}, now=now
        )
        self.account = trading.make_account(team, now)
        self.run = research.make_run(team, now, self.version)
        self.proposal = self.propose(**asked)
        signing.decide(people.make_actor(team, "validator"), self.proposal, now)

    def propose(self, **asked):
        body = {"account": self.account.pk, "capital_usd": 10_000.0, "target_stage": "paper"}
        return approvals.submit(
            actor=self.author,
            kind="promotion",
            subject=f"version:{self.version.id}",
            title="Buy and hold to paper",
            digest=self.version.digest,
            rationale=WHY,
            run=str(self.run.pk),
            now=self.now,
            **{**body, **asked},
        )

    def deploy(self, allocation=5000, now=None):
        return services.deploy(
            actor=system("tests", self.team.pk),
            version_id=self.version.id,
            account_id=self.account.pk,
            allocation=Decimal(allocation),
            now=now or self.now,
        )

    def stage(self):
        return strategies.get_version(self.version.id, self.team.pk).stage


@pytest.fixture
def made(feed, team, now):
    return Agreed(team, now)


def test_an_approval_covers_all_that_is_listed(made):
    terms = made.proposal.terms
    assert set(agreed.COVERED) | set(agreed.CONDITIONS) == set(terms)
    assert all(terms[name] is not None for name in terms)
    assert (terms["version"], terms["account"]) == (made.version.digest, made.account.pk)
    assert terms["data"]["digest"] == made.run.data_digest
    assert made.stage() == "paper"
    assert made.deploy().approval_id == made.proposal.pk


@contextmanager
def by_superuser(servers):
    """Statements as somebody whom no trigger stops."""
    with psycopg.connect(servers.dsn("admin"), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def change_version(column, value):
    def change(made, servers, _monkeypatch):
        with by_superuser(servers) as connection:
            connection.execute(
                f"UPDATE strategies_strategyversion SET {column} = %s WHERE id = %s",
                [value, made.version.id],
            )

    return change


def change_code(made, _servers, monkeypatch):
    from apps.strategies.selectors import recipes

    text, _ = recipes.source_of("buy_and_hold")
    other = (text + "\n# edited after the approval\n", "f" * 64)
    monkeypatch.setattr(recipes, "source_of", lambda _name: other)


def change_engine(_made, _servers, monkeypatch):
    from apps.strategies.kernel import versions
    from apps.trading.selectors import agreed as now_terms

    monkeypatch.setattr(versions, "ENGINE_VERSION", "engine 99")
    monkeypatch.setattr(now_terms, "ENGINE_VERSION", "engine 99")


def change_run(column, value):
    def change(made, servers, _monkeypatch):
        # Evidence is locked: only somebody whom no trigger stops gets at it.
        with by_superuser(servers) as connection:
            connection.execute(
                f"UPDATE backtests_run SET {column} = %s WHERE id = %s", [value, made.run.pk]
            )

    return change


def revise_data(_made, _servers, monkeypatch):
    from apps.market import selectors as market

    monkeypatch.setattr(market, "was_revised", lambda **_: True)


def change_account(**fields):
    def change(made, _servers, _monkeypatch):
        Account.objects.filter(pk=made.account.pk).update(**fields)

    return change


def change_limits(made, _servers, _monkeypatch):
    risk.set_limits(
        actor=system("tests", made.team.pk),
        subject=f"account:{made.account.pk}",
        values={"max_positions": 7},
        reason="tests",
        now=made.now,
    )


CHANGES = {
    "code": (change_code, {"code", "version"}),
    "parameters": (change_version("params", '{"weight": 2}'), {"parameters", "version"}),
    "engine": (change_engine, {"engine"}),
    "data digest": (change_run("data_digest", "9" * 64), {"data"}),
    "data revised": (revise_data, {"data"}),
    "costs of the run": (change_run("request", '{"costs": {"fee_bps": 0.0}}'), {"data"}),
    "fee": (change_account(fee_bps=1.0), {"costs"}),
    "slippage": (change_account(slippage_bps=0.0), {"costs"}),
    "other costs": (change_account(more_costs={"commission": 1.0}), {"costs"}),
    "execution": (change_account(execution={"fill": "close"}), {"costs"}),
    "units": (change_account(units="whole"), {"costs"}),
    "currency": (change_account(currency="EUR"), {"costs"}),
    "limits": (change_limits, {"limits"}),
}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_change_of_any_covered_field_voids_the_approval(name, made, servers, monkeypatch):
    change, names = CHANGES[name]
    change(made, servers, monkeypatch)
    with pytest.raises(Changed) as caught:
        made.deploy()
    assert caught.value.code == "deploy.changed"
    assert names <= set(caught.value.changed), caught.value.changed
    assert Lapse.objects.get(proposal=made.proposal).reason == "changed"
    assert made.stage() == "validated"
    monkeypatch.undo()
    with pytest.raises(NotApproved):
        made.deploy()
    assert not Deployment.objects.exists()


def test_another_subject_digest_is_not_approved_at_all(made, servers):
    change_version("digest", "0" * 64)(made, servers, None)
    with pytest.raises(NotApproved):
        made.deploy()


@pytest.mark.parametrize("name", ["code", "fee", "limits"])
def test_a_worker_hashes_what_it_runs_at_each_claim(name, made, feed, servers, monkeypatch, now):
    row = made.deploy()
    trading.advance(feed, now)
    assert Order.objects.filter(deployment=row).exists()
    CHANGES[name][0](made, servers, monkeypatch)
    trading.advance(feed, now)
    row.refresh_from_db()
    assert row.status == "stopped"
    assert "No longer as agreed" in row.note
    assert not Order.objects.filter(deployment=row, finished_at=None).exists()
    actions = {e.action for e in audit.list_events(team_id=made.team.pk)}
    assert {"approval.lapsed", "deployment.stopped", "version.stage_set"} <= actions


def test_another_account_than_approved_is_refused_and_voids_nothing(made, team, now):
    other = trading.make_account(team, now, name="Other")
    made.account, first = other, made.account
    with pytest.raises(NotApproved) as caught:
        made.deploy()
    assert caught.value.code == "deploy.account"
    made.account = first
    assert made.deploy().status == "running"


def test_no_more_capital_than_approved(made):
    with pytest.raises(Conflict) as caught:
        made.deploy(10_001)
    assert caught.value.code == "approval.capital_cap"
    made.deploy(10_000)


def test_orders_past_the_cap_are_refused(made, feed, now, monkeypatch):
    row = made.deploy(9_000)
    monkeypatch.setattr(
        "apps.trading.services.steps.selectors.caps_of", lambda _rows: {row.pk: 100.0}
    )
    trading.advance(feed, now)
    orders = Order.objects.filter(deployment=row)
    assert orders
    codes = {reason["code"] for order in orders for reason in order.reasons}
    assert codes == {"approval.capital_cap"}


def test_an_approval_runs_out_and_the_version_steps_back(made, feed, now):
    row = made.deploy()
    late = now + timedelta(days=200)
    with pytest.raises(NotApproved):
        made.deploy(now=late)
    assert approvals.lapse_old(now=now) == 0
    assert approvals.lapse_old(now=late) == 1
    assert approvals.lapse_old(now=late) == 0
    row.refresh_from_db()
    assert (row.status, made.stage()) == ("stopped", "validated")
    assert Lapse.objects.get().reason == "expired"


def test_what_is_retired_stops(made, feed, now):
    row = made.deploy()
    strategy_services.set_stage(
        actor=system("tests", made.team.pk), version_id=made.version.id, stage="retired", now=now
    )
    trading.advance(feed, now)
    row.refresh_from_db()
    assert row.status == "stopped"


def test_a_live_version_steps_back_to_paper(made, now):
    strategy_services.set_stage(
        actor=system("tests", made.team.pk), version_id=made.version.id, stage="live", now=now
    )
    back = strategy_services.step_back(
        actor=system("tests", made.team.pk),
        version_id=made.version.id,
        stage="live",
        reason="its approval ran out",
        now=now,
    )
    assert back.stage == "paper"
    event = audit.list_events(
        team_id=made.team.pk, subject=f"version:{made.version.id}", action="version.stage_set"
    ).first()
    assert (event.content["from"], event.content["to"]) == ("live", "paper")


def test_a_review_is_told_once_and_ends_the_approval_when_nobody_comes(made, now):
    due = now + timedelta(days=91)
    assert approvals.lapse_old(now=due) == approvals.lapse_old(now=due) == 0
    told = audit.list_events(team_id=made.team.pk, action="approval.review_due")
    assert told.count() == 1
    assert approvals.lapse_old(now=due + timedelta(days=14)) == 1
    assert Lapse.objects.get().reason == "review"


def test_an_approval_is_renewed_and_what_runs_goes_on_under_it(made, feed, now):
    row = made.deploy()
    renewed = made.propose()
    signing.decide(people.make_actor(made.team, "validator"), renewed, now)
    manager = people.make_actor(made.team, "validator")
    approvals.revoke(actor=manager, proposal_id=made.proposal.pk, rationale=WHY, now=now)
    row.refresh_from_db()
    assert (row.status, row.approval_id, made.stage()) == ("running", renewed.pk, "paper")
    approvals.revoke(actor=manager, proposal_id=renewed.pk, rationale=WHY, now=now)
    row.refresh_from_db()
    assert (row.status, made.stage()) == ("stopped", "validated")


@pytest.mark.parametrize(
    ("capital", "tier"), [(10_000, 1), (10_001, 2), (100_000, 2), (100_001, 3)]
)
def test_the_tier_follows_the_capital(made, capital, tier):
    Proposal.objects.filter(status="open").delete()
    assert made.propose(capital_usd=capital).tier == tier
    assert made.propose(capital_usd=capital, target_stage="retired", tier=3).tier == 3


def test_live_takes_a_live_account_and_a_capital(made):
    for asked in ({"account": None}, {"capital_usd": None}):
        with pytest.raises(Invalid) as caught:
            made.propose(target_stage="live", **asked)
        assert caught.value.code == "proposal.capital"
    with pytest.raises(Invalid) as caught:
        made.propose(target_stage="live")
    assert caught.value.code == "proposal.account"
    Account.objects.filter(pk=made.account.pk).update(is_paper=False)
    live = made.propose(target_stage="live")
    gates = {gate["name"]: gate for gate in live.gates}
    assert (gates["paper_days"]["value"], gates["paper_days"]["blocks"]) == (0, True)
    assert gates["twin_gap"]["status"] == "not_available"
