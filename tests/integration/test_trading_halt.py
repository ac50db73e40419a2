"""HALT on a real PostgreSQL: the fence under racing writers, what it cancels, who may."""

import io
import json
import threading
import time
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from apps.audit import selectors as audit
from apps.core import clock
from apps.core.actors import system
from apps.core.errors import Conflict, Denied, Invalid, LabError, NotFound
from apps.trading import selectors, services
from apps.trading.models import Deployment, Halt, Order
from tests.factories import trading

WRITERS, ROUNDS = 6, 10


@pytest.fixture
def feed(sample, db, now):
    return trading.make_feed(now)


@pytest.fixture
def deployment(feed, team, now):
    version = trading.make_version(team, now, "buy_and_hold")
    account = trading.make_account(team, now)
    return services.deploy(
        actor=system("tests", team.pk),
        version_id=version.id,
        account_id=account.pk,
        allocation=Decimal(50_000),
        now=now,
    )


@pytest.mark.django_db
def test_a_halt_cancels_what_is_open_and_reads_back(deployment, feed, team, actor, now):
    trading.advance(feed, now, bars=1)
    working = Order.objects.filter(deployment=deployment, state="accepted").count()
    assert working > 50
    halt = services.halt(actor=actor("trader"), scope="team", reason="a fat finger", now=now)
    assert (halt.cancelled_orders, halt.open_after) == (working, 0)
    deployment.refresh_from_db()
    assert deployment.status == Deployment.Status.HALTED
    trading.advance(feed, now, bars=2)
    assert not Order.objects.filter(state="filled").exists()
    actions = [event.action for event in audit.list_events(team_id=team.pk)]
    assert {"halt.set", "halt.read_back"} <= set(actions)
    assert selectors.list_halted_scopes() == [f"team:{team.pk}"]


@pytest.mark.django_db
def test_resume_wants_a_reason_and_trades_on(deployment, feed, team, actor, now):
    who = actor("risk_manager")
    services.halt(actor=who, scope=f"account:{deployment.account_id}", reason="testing", now=now)
    services.halt(actor=who, scope=f"deployment:{deployment.pk}", reason="testing", now=now)
    alone = {"actor": who, "scope": f"deployment:{deployment.pk}", "now": now}
    with pytest.raises(Invalid):
        services.propose_resume(**alone, reason=" ")
    with pytest.raises(Denied, match="Nobody resumes alone"):
        services.resume(**alone, reason="I say so")
    who = system("tests", team.pk)
    services.resume(actor=who, scope=f"account:{deployment.account_id}", reason="fine", now=now)
    deployment.refresh_from_db()
    assert deployment.status == "halted", "the deployment itself is still halted"
    services.resume(actor=who, scope=f"deployment:{deployment.pk}", reason="fine", now=now)
    deployment.refresh_from_db()
    assert deployment.status == "running"
    trading.advance(feed, now, bars=2)
    assert Order.objects.filter(deployment=deployment, state="filled").exists()
    with pytest.raises(Conflict):
        services.resume(actor=who, scope="team", reason="nothing to do", now=now)


@pytest.mark.django_db
def test_after_a_resume_the_last_targets_are_taken_up_again(deployment, feed, team, actor, now):
    trading.advance(feed, now, bars=1)
    asked = set(Order.objects.filter(state="accepted").values_list("symbol", "target_weight"))
    services.halt(actor=actor("trader"), scope="team", reason="testing", now=now)
    trading.advance(feed, now, bars=1)
    services.resume(actor=system("tests", team.pk), scope="team", reason="fine", now=now)
    trading.advance(feed, now, bars=2)
    filled = Order.objects.filter(state="filled")
    assert set(filled.values_list("symbol", "target_weight")) == asked
    count = filled.count()
    trading.advance(feed, now, bars=2)
    assert Order.objects.filter(state="filled").count() == count


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["viewer", "researcher", "validator", "admin", "auditor"])
def test_only_traders_and_risk_managers_halt(deployment, actor, now, role):
    with pytest.raises(Denied):
        services.halt(actor=actor(role), scope="team", reason="testing", now=now)


@pytest.mark.django_db
def test_nobody_halts_another_team(deployment, other_team, actor, now):
    stranger = actor("trader", of=other_team)
    for scope in (f"account:{deployment.account_id}", f"deployment:{deployment.pk}"):
        with pytest.raises(NotFound):
            services.halt(actor=stranger, scope=scope, reason="testing", now=now)
    with pytest.raises(Denied):
        services.halt(actor=stranger, scope="all", reason="testing", now=now)


@pytest.mark.django_db
def test_nothing_is_deployed_into_a_halt(deployment, feed, team, actor, now):
    services.halt(actor=actor("trader"), scope="team", reason="testing", now=now)
    version = trading.make_version(team, now, "sma_crossover", {"fast": 3, "slow": 9})
    with pytest.raises(Conflict) as caught:
        services.deploy(
            actor=system("tests", team.pk),
            version_id=version.id,
            account_id=deployment.account_id,
            allocation=Decimal(1000),
            symbols=["AAPL"],
            now=now,
        )
    assert caught.value.code == "deploy.halted"


@pytest.mark.django_db
def test_the_commands_need_the_database_only(deployment, team, settings, monkeypatch):
    from apps.core import live

    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    live.client.cache_clear()
    out = io.StringIO()
    call_command("halt", f"team:{team.pk}", "--reason", "the venue is down", stdout=out)
    assert json.loads(out.getvalue())["is_halted"] is True
    call_command("resume", f"team:{team.pk}", "--reason", "it is back", stdout=io.StringIO())
    live.client.cache_clear()
    assert selectors.list_halted_scopes() == []


@pytest.mark.django_db
def test_the_halt_command_refuses_an_unknown_scope(db):
    err = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("halt", "account:999999", "--reason", "testing", stderr=err)
    assert caught.value.code == 2
    assert "account.not_found" in err.getvalue()


class Writer(threading.Thread):
    """Places orders by hand, one after another, until told to stop."""

    def __init__(self, actor, account_id, stop):
        super().__init__(daemon=True)
        self.actor, self.account_id, self.stop = actor, account_id, stop
        self.made = self.refused = 0
        self.failed = None

    def run(self):
        try:
            while not self.stop.is_set():
                self.place()
        except Exception as error:  # noqa: BLE001 told to the test
            self.failed = error
        finally:
            connection.close()

    def place(self):
        try:
            services.place_order(
                actor=self.actor,
                account_id=self.account_id,
                symbol="AAPL",
                side="buy",
                quantity=Decimal(1),
                now=clock.now(),
            )
            self.made += 1
        except LabError as error:
            if "halted" not in error.message:
                raise
            self.refused += 1


def wait_for_orders(writers, count):
    until = time.monotonic() + 30
    while sum(writer.made for writer in writers) < count:
        assert time.monotonic() < until, "the writers placed too few orders"
        time.sleep(0.01)


def visible_intents(account_id):
    with transaction.atomic():
        return Order.objects.filter(account_id=account_id).exclude(state="refused").count()


def test_no_intent_appears_after_a_halt_has_committed(sample, live_db, team, actor):
    now = clock.now()
    feed = trading.make_feed(now, name="race-feed")
    account = trading.make_account(team, now, feed="race-feed")
    who, late = actor("trader"), 0
    try:
        trading.advance(feed, now, bars=1)
        for _ in range(ROUNDS):
            stop = threading.Event()
            writers = [Writer(who, account.pk, stop) for _ in range(WRITERS)]
            for writer in writers:
                writer.start()
            wait_for_orders(writers, 2 * WRITERS)
            services.halt(actor=who, scope="team", reason="a race", now=clock.now())
            seen = visible_intents(account.pk)
            time.sleep(0.15)
            late += visible_intents(account.pk) - seen
            stop.set()
            for writer in writers:
                writer.join(timeout=60)
                assert not writer.is_alive()
                assert writer.failed is None
            assert not Order.objects.filter(account=account, finished_at=None).exists()
            lab = system("tests", team.pk)
            services.resume(actor=lab, scope="team", reason="next round", now=clock.now())
    finally:
        feed.delete()
    assert late == 0
    assert Halt.objects.get(scope=f"team:{team.pk}").fence == ROUNDS
