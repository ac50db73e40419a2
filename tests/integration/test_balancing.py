"""Balancers of accounts on the sample: proposals, orders, what holds them back, races, doors."""

import threading
import uuid
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from apps.approvals import services as approvals
from apps.approvals.models import Proposal
from apps.audit.models import AuditEvent
from apps.core import jobs
from apps.core.actors import system
from apps.core.errors import Conflict, Denied, Invalid
from apps.core.models import Job
from apps.market.models import FeedSession, Universe
from apps.risk import services as risk
from apps.trading import services
from apps.trading.models import Account, Balance, Balancer, Order, Position
from apps.trading.selectors import balancers, balancing
from apps.trading.services import rebalancing
from tests.factories import people, signing, trading

FOUR = ["JNJ", "KO", "WMT", "XOM"]
FREE = {"max_correlation": None, "max_weight": 1.0, "cost": 0.0}
WHY = "Looked at; the weights are as wanted."
JSON = "application/json"
PATIENCE = 60


class Lab:
    """An account on a feed of the sample with a universe of four, and people of its team."""

    def __init__(self, team, now, **account):
        self.team, self.now = team, now
        shared = Universe.objects.get(team=None, name="sp500-sample")
        self.universe = Universe.objects.create(
            team=team, dataset=shared.dataset, name="four", timeframe="1d", symbols=FOUR,
            survivorship="None is missing.", created_at=now, created_by="user:0",
        )  # fmt: skip
        self.feed = trading.make_feed(now, name=f"feed-{uuid.uuid4().hex[:8]}")
        self.account = trading.make_account(team, now, feed=self.feed.name, **account)
        self.trader = people.make_actor(team, "trader")
        self.other = people.make_actor(team, "trader")
        self.manager = people.make_actor(team, "risk_manager")
        self.advance()

    def advance(self, bars=1):
        trading.advance(self.feed, self.now, bars=bars)
        self.account.refresh_from_db()

    def set(self, **values):
        return services.change_balancer(
            actor=self.trader,
            account_id=self.account.pk,
            values={"universe": "four", **FREE, **values},
            reason="A mix that moves little.",
            now=self.now,
        )

    def sends_orders(self, **values):
        """Set it so that it sends orders, as people agree to it."""
        change = self.set(output="orders", is_on=True, **values)
        proposal = Proposal.objects.get(pk=change.proposal_id)
        signing.decide(self.manager, proposal, self.now)

    def ask(self, **options):
        return services.ask_for_balance(
            actor=self.trader, account_id=self.account.pk, now=self.now, **options
        )

    def run(self, job=None):
        """Do a job as a worker does; returns the stored run."""
        job = job or self.ask()
        jobs.execute(str(job.pk), services.run_balance, worker="w", now=lambda: self.now)
        self.account.refresh_from_db()
        return Balance.objects.get(job_id=job.pk)

    def start_due(self, later=0.0):
        self.now += timedelta(seconds=later)
        return services.start_due_balancers(now=self.now)

    def queued(self):
        return Job.objects.get(team_id=self.team.pk, kind="balance", status="queued")

    def weights(self):
        """What the account itself holds, as shares of cash and holdings."""
        book = balancing.own_book(self.account)
        return {s: q * book.prices[s] / book.value for s, q in book.quantities.items()}

    def orders(self):
        return Order.objects.filter(account=self.account).order_by("created_at", "symbol")

    def events(self, action):
        rows = AuditEvent.objects.filter(team_id=self.team.pk, action=action)
        return list(rows.values_list("subject", flat=True))


@pytest.fixture
def lab(sample, live_db, team, now):
    made = Lab(team, now)
    yield made
    FeedSession.objects.filter(pk=made.feed.pk).delete()


# A proposal


def test_a_proposal_is_agreed_to_filled_once_and_leads_to_the_target(lab, client_as):
    lab.set()
    row = lab.run()
    assert (row.status, len(row.trades)) == ("proposed", 4)
    proposal = Proposal.objects.get(pk=row.proposal_id)
    assert (proposal.kind, proposal.author) == ("rebalance", "system:balancer")
    assert proposal.expires_at == lab.now + timedelta(minutes=15)
    assert proposal.evidence["guard"]["passes"] is True
    names = [line["name"] for line in proposal.evidence["book"]]
    assert any(name.startswith("KO, % (buy") for name in names)
    assert "VaR 99 % a bar, % (historical)" in names
    with pytest.raises(Denied):  # who set the balancer and asked for the run is no second person
        signing.decide(lab.trader, proposal, lab.now)
    assert signing.decide(lab.other, proposal, lab.now).status == "approved"
    assert set(lab.orders().values_list("state", "created_by")) == {
        ("accepted", "system:balancer")
    }
    with pytest.raises(Conflict):
        rebalancing.place_rebalance(
            actor=system("x", lab.team.pk), terms=proposal.terms, now=lab.now
        )
    lab.advance()
    assert set(lab.orders().values_list("state", flat=True)) == {"filled"}
    wanted = {line["symbol"]: line["weight"] for line in row.body["instruments"]}
    assert sum(wanted.values()) == pytest.approx(0.95)
    for symbol, weight in lab.weights().items():
        assert weight == pytest.approx(wanted[symbol], abs=0.03)
    assert lab.account.cash > 0
    told = balancers.RebalanceOutcome().read(
        team_id=lab.team.pk, status="approved", terms=proposal.terms, now=lab.now
    )
    assert told["rows"] == [{"name": "Filled", "value": "4"}]
    assert lab.events("balancer.proposed") == lab.events("balancer.ordered")
    page = client_as("viewer").get(f"/live/{lab.account.pk}/balancer/?run={row.pk}").content
    assert (page.count(b"filled") >= len(FOUR), b'id="weights"' in page) == (True, True)
    # A bar later next to nothing is worth trading.
    lab.set(cost=0.002)
    assert lab.run().status == "nothing_to_do"


def test_weights_are_those_of_skfolio_called_directly(lab):
    from skfolio.optimization import MeanRisk, RiskBudgeting

    lab.set(window=200, budget=0.9)
    row = lab.run(lab.ask(is_trial=True))
    inputs = balancing.read_inputs(
        lab.account, balancers.get_balancer(lab.account).policy, row.version
    )
    assert (row.status, inputs.returns.shape, row.inputs_digest) == (
        "tried", (200, 4), inputs.digest,
    )  # fmt: skip
    direct = 0.9 * MeanRisk(min_weights=0.0, max_weights=1.0).fit(inputs.returns).weights_
    found = [line["weight"] for line in row.body["instruments"]]
    np.testing.assert_allclose(found, direct, atol=2e-5)
    lab.set(method="risk_parity", window=200, budget=0.9)
    row = lab.run(lab.ask(is_trial=True))
    direct = 0.9 * RiskBudgeting(min_weights=0.0, max_weights=1.0).fit(inputs.returns).weights_
    found = [line["weight"] for line in row.body["instruments"]]
    np.testing.assert_allclose(found, direct, atol=2e-5)
    assert not Proposal.objects.filter(team=lab.team, kind="rebalance").exists()


def test_two_assets_of_smallest_variance_by_hand_and_a_universe_stays_as_it_was_chosen(lab):
    Universe.objects.filter(pk=lab.universe.pk).update(symbols=["KO", "XOM"])
    lab.set()
    lab.universe.pk, lab.universe.version, lab.universe.symbols = None, 2, ["AAPL", "MSFT"]
    lab.universe.save(force_insert=True)
    row = lab.run(lab.ask(is_trial=True))
    view = balancers.get_balancer(lab.account)
    returns = balancing.read_inputs(lab.account, view.policy, 1).returns
    a, b = returns.T
    covariance = np.mean((a - a.mean()) * (b - b.mean()))
    first = (b.var() - covariance) / (a.var() + b.var() - 2 * covariance)
    assert [line["symbol"] for line in row.body["instruments"]] == ["KO", "XOM"]
    found = [line["weight"] for line in row.body["instruments"]]
    assert found == pytest.approx([0.95 * first, 0.95 * (1 - first)], abs=1e-4)


def test_what_changed_meanwhile_voids_a_proposal_and_the_next_run_proposes_anew(lab):
    lab.set(is_on=True, every_seconds=60)
    assert lab.start_due() == 1
    first = Proposal.objects.get(pk=lab.run(lab.queued()).proposal_id)
    assert lab.start_due(later=60) == 0, "what waits for a decision is not proposed again"
    assert Balancer.objects.get(account=lab.account).note.startswith("A proposal of the last run")
    services.place_order(
        actor=lab.trader, account_id=lab.account.pk, symbol="KO", side="buy",
        quantity=Decimal(10), now=lab.now,
    )  # fmt: skip
    for _ in range(2):  # under way, then filled
        with pytest.raises(Conflict) as caught:
            signing.decide(lab.other, first, lab.now)
        assert caught.value.code == "rebalance.changed"
        lab.advance()
    assert lab.orders().count() == 1
    assert lab.start_due(later=60) == 1
    row = lab.run(lab.queued())
    first.refresh_from_db()
    assert (first.status, row.status) == ("withdrawn", "proposed")
    feed = FeedSession.objects.get(pk=lab.feed.pk)
    told = balancers.RebalanceOutcome().read(
        team_id=lab.team.pk, status="open", terms=first.terms, now=lab.now
    )
    assert "rebalance.changed" in {one["code"] for one in told["guard"]["reasons"]}
    assert feed.status == "running"


# Orders


def test_orders_by_itself_take_two_people(lab):
    change = lab.set(output="orders", is_on=True, every_seconds=60)
    assert change.view.version == 0
    with pytest.raises(Denied) as caught:
        services.set_balancer(
            actor=lab.trader, account_id=lab.account.pk, reason="at once", now=lab.now,
            values={"output": "orders", "is_on": True},
        )  # fmt: skip
    assert caught.value.code == "balancer.by_proposal"
    proposal = Proposal.objects.get(pk=change.proposal_id)
    with pytest.raises(Denied):
        signing.decide(lab.trader, proposal, lab.now)
    signing.decide(lab.manager, proposal, lab.now)
    assert lab.start_due() == 1
    row = lab.run(lab.queued())
    assert (row.status, lab.orders().filter(state="accepted").count()) == ("ordered", 4)
    assert lab.start_due(later=60) == 0
    note = Balancer.objects.get(account=lab.account).note
    assert note == "4 of the account's own orders are still under way."
    lab.advance()
    # Less of all is at once, more of one waits: what it may send by itself is agreed.
    assert lab.set(output="orders", is_on=True, every_seconds=60, budget=0.9).proposal_id is None
    wider = lab.set(output="orders", is_on=True, every_seconds=60, budget=0.9, method="hrp")
    signing.decide(lab.manager, Proposal.objects.get(pk=wider.proposal_id), lab.now)
    approvals.revoke(actor=lab.manager, proposal_id=wider.proposal_id, rationale=WHY, now=lab.now)
    assert balancers.get_balancer(lab.account).policy.output == "proposal", "taken back"


def test_sales_pay_for_the_purchases_of_the_same_run(lab):
    lab.sends_orders(every_seconds=60)
    lab.run()
    lab.advance()
    before = lab.weights()
    # Cash is short of what is bought.
    Account.objects.filter(pk=lab.account.pk).update(cash=Decimal(200))
    Position.objects.filter(account=lab.account).exclude(symbol="KO").delete()
    row = lab.run()
    assert row.status == "ordered"
    sides = [trade["side"] for trade in row.trades]
    assert sides == ["sell", "buy", "buy", "buy"]
    assert set(
        lab.orders().filter(client_id__startswith=f"b{row.pk.hex}").values_list("state")
    ) == {("accepted",)}
    lab.advance()
    assert set(lab.orders().values_list("state", flat=True)) == {"filled"}
    assert lab.weights()["KO"] == pytest.approx(before["KO"], abs=0.1)


def test_what_the_guard_refuses_is_told_with_every_reason(lab):
    risk.set_limits(
        actor=system("tests", lab.team.pk), subject=f"account:{lab.account.pk}",
        values={"max_order_value": 20_000.0, "restricted": ["KO", "JNJ", "WMT", "XOM"]},
        reason="tests", now=lab.now,
    )  # fmt: skip
    lab.sends_orders(budget=0.8)
    row = lab.run()
    assert row.words == "0 orders went out, 4 were refused by the guard."
    found = {order.symbol: {r["code"] for r in order.reasons} for order in lab.orders()}
    assert all("limit.restricted" in codes for codes in found.values())
    assert any("limit.order_value" in codes for codes in found.values())
    lab.set(output="proposal", budget=0.8)
    proposal = Proposal.objects.get(pk=lab.run().proposal_id)
    assert proposal.evidence["guard"]["passes"] is False
    assert len(proposal.evidence["guard"]["reasons"]) > len(FOUR)
    count = lab.orders().count()
    with pytest.raises(Invalid):
        signing.decide(lab.other, proposal, lab.now)
    assert lab.orders().count() == count


# What can't be


def test_what_cannot_all_be_met_is_told_in_words_once(lab):
    lab.set(max_weight=0.2, is_on=True, every_seconds=60)
    assert lab.start_due() == 1
    row = lab.run(lab.queued())
    assert (row.status, row.code) == ("infeasible", "balance.infeasible")
    assert "4 instruments of at most 20.0% hold 80.0%" in row.body["conflicts"][0]
    assert lab.start_due(later=60) == 0
    assert (
        Balancer.objects.get(account=lab.account).note == "Nothing has changed since the last run."
    )
    assert lab.events("balancer.infeasible") == [f"balancer:{lab.account.pk}"]
    lab.set(universe="")
    row = lab.run()
    assert (row.status, row.code) == ("failed", "balancer.instruments")


def test_a_pause_a_halt_and_a_stop_hold_it_back(lab):
    lab.set(is_on=True, every_seconds=60)
    FeedSession.objects.filter(pk=lab.feed.pk).update(status="paused")
    assert lab.start_due() == 0
    assert "does not run" in Balancer.objects.get(account=lab.account).note
    FeedSession.objects.filter(pk=lab.feed.pk).update(status="running")
    services.halt(actor=lab.trader, scope=f"account:{lab.account.pk}", reason="wait", now=lab.now)
    assert lab.start_due(later=60) == 0
    with pytest.raises(Conflict) as caught:
        lab.ask()
    assert caught.value.code == "balancer.halted"
    assert lab.start_due(later=60) == 0
    assert len(lab.events("balancer.skipped")) == 2, "told when the reason changes"
    assert lab.run(lab.ask(is_trial=True)).status == "tried"


def test_what_strategies_hold_is_left_alone(lab):
    version = trading.make_version(lab.team, lab.now, "buy_and_hold")
    services.deploy(
        actor=system("tests", lab.team.pk), version_id=version.id, account_id=lab.account.pk,
        allocation=Decimal(100_000), symbols=["KO", "XOM"], now=lab.now,
    )  # fmt: skip
    lab.advance(bars=2)
    lab.set(is_on=True, every_seconds=60)
    assert lab.start_due() == 0
    assert "Strategies hold all" in Balancer.objects.get(account=lab.account).note


# A crash, and two at once


class Killed(BaseException):
    """The process ends here."""


def test_a_kill_before_and_after_the_orders_are_stored_sends_them_once(lab, monkeypatch):
    lab.sends_orders()
    job = lab.ask()
    progress = jobs.Progress(job.pk, lab.team.pk, 1, job.payload, lambda: lab.now)
    Job.objects.filter(pk=job.pk).update(status="running", attempt=1)

    def die(*_, **__):
        raise Killed

    monkeypatch.setattr("apps.trading.services.balancing.note_balancer", die)
    with pytest.raises(Killed):
        services.run_balance(progress)
    assert not Balance.objects.filter(account=lab.account).exists()
    assert not lab.orders().exists()
    monkeypatch.undo()
    for where in ("orders", "balancing"):
        monkeypatch.setattr(f"apps.trading.services.{where}.send_intents", die)
    with pytest.raises(Killed):
        services.run_balance(progress)
    monkeypatch.undo()
    assert set(lab.orders().values_list("state", flat=True)) == {"created"}
    for _ in range(2):
        services.run_balance(progress)
    assert list(lab.orders().values_list("state", flat=True)) == ["accepted"] * 4
    assert Balance.objects.filter(account=lab.account).count() == 1


def at_once(acts):
    """Do all of these in threads at the same moment; returns what each raised, or None."""
    from django.db import connection

    barrier, found = threading.Barrier(len(acts)), [None] * len(acts)

    def act(number):
        try:
            barrier.wait(PATIENCE)
            acts[number]()
        except Exception as error:  # noqa: BLE001 handed back
            found[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=(n,)) for n in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return found


def test_of_two_workers_one_acts_and_of_two_schedulers_one_starts(lab):
    lab.sends_orders(every_seconds=60)
    found = at_once([lambda: services.start_due_balancers(now=lab.now) for _ in range(3)])
    assert found == [None] * 3
    job = lab.queued()
    # A second run of the same account, as if a lease had lapsed while the first still works.
    twin = jobs.enqueue(
        actor=system("balancer", lab.team.pk), kind="balance", title="Twin",
        task="trading.balance", queue="compute", payload=job.payload, now=lab.now,
        subject=job.subject,
    )  # fmt: skip
    Job.objects.filter(pk__in=[job.pk, twin.pk]).update(status="running", attempt=1)
    steps = [jobs.Progress(one.pk, lab.team.pk, 1, one.payload, lambda: lab.now) for one in
             (job, job, twin)]  # fmt: skip
    found = at_once([lambda step=step: services.run_balance(step) for step in steps])
    assert found == [None] * 3
    assert lab.orders().count() == 4
    assert sorted(
        Balance.objects.filter(account=lab.account).values_list("status", flat=True)
    ) == [
        "ordered",
        "skipped",
    ]


# The doors


@pytest.fixture
def account(sample, db, team, now):
    trading.make_feed(now)
    return trading.make_account(team, now)


WRONG = [
    ({"budget": "NaN"}, "budget"),
    ({"budget": -0.1}, "budget"),
    ({"budget": 0}, "budget"),
    ({"min_weight": 0.6, "max_weight": 0.5}, "min_weight"),
    ({"max_weight": 1e9}, "max_weight"),
    ({"every_seconds": 59}, "every_seconds"),
    ({"every_seconds": 60, "daily_at": "10:00"}, "every_seconds"),
    ({"every_seconds": None, "daily_at": "25:00"}, "daily_at"),
    ({"window": 60}, "window"),
    ({"method": "guess"}, "method"),
    ({"output": "both"}, "output"),
    ({"minutes": 1440}, "minutes"),
    ({"universe": "long-history"}, "universe"),
    ({"lunch": 1}, "lunch"),
]


def test_what_cannot_be_is_refused_by_field_and_stores_nothing(account, api_as, team):
    place, client = f"/api/v1/accounts/{account.pk}/balancer", api_as("trader")
    for values, field in WRONG:
        answer = client.put(place, {"policy": values, "reason": WHY}, content_type=JSON)
        assert (answer.status_code, field in str(answer.json())) == (422, True), values
    assert not Balancer.objects.filter(team=team).exists()


def test_rest_sets_runs_and_lists(account, api_as, client_as, team, now):
    place = f"/api/v1/accounts/{account.pk}/balancer"
    trader, viewer = api_as("trader"), api_as("viewer")
    assert viewer.get(place).json()["version"] == 0
    body = {"policy": {"universe": "sp500-sample", "is_on": True, "every_seconds": None,
                       "daily_at": "14:30"}, "reason": WHY}  # fmt: skip
    assert viewer.put(place, body, content_type=JSON).status_code == 403
    made = trader.put(place, body, content_type=JSON)
    assert (made.status_code, made.json()["balancer"]["version"]) == (200, 1)
    assert "T14:30:00" in made.json()["balancer"]["next_due_at"]
    body["policy"] |= {"output": "orders"}
    asked = trader.put(place, body, content_type=JSON)
    assert asked.status_code == 202
    assert viewer.get(place).json()["change_id"] == asked.json()["proposal_id"]
    assert viewer.post(f"{place}/runs", {}, content_type=JSON).status_code == 403
    tried = viewer.post(f"{place}/runs", {"is_trial": True}, content_type=JSON)
    assert (tried.status_code, tried.json()["job"]["kind"]) == (202, "balance")
    run = trader.post(f"{place}/runs", {}, content_type=JSON)
    assert (run.status_code, run.json()["code"]) == (409, "balancer.under_way")
    assert viewer.get(f"{place}/runs").json() == {"items": [], "next": None}
    assert viewer.get(f"{place}/runs/{uuid.uuid4()}").status_code == 404
    page = client_as("viewer").get(f"/live/{account.pk}/balancer/")
    assert (page.status_code, b"It has not run yet" in page.content) == (200, True)
    form = {"method": "hrp", "budget": "NaN", "min_weight": "60", "max_weight": "50"}
    place = f"/live/{account.pk}/balancer/set/"
    assert client_as("viewer").post(place, form).status_code == 403
    wrong = client_as("trader").post(place, form)
    assert (wrong.status_code, wrong.content.count(b'role="alert"></span>')) == (422, 10)
