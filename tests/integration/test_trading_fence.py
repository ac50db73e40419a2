"""What a crash, a hang or a late bar does to the fence, the halts and the guard."""

import threading
from decimal import Decimal

import numpy as np
import pytest
from django.db import connection

from apps.audit import selectors as audit
from apps.core import clock, live
from apps.core.actors import system
from apps.market import services as market
from apps.risk import services as risk
from apps.strategies.selectors import get_strategy
from apps.trading import services
from apps.trading.models import Deployment, Halt, Order
from apps.trading.selectors.snapshots import count_by_hand
from apps.trading.services import halts, stepping
from tests.factories import trading

PATIENCE = 60
SYMBOLS = ["AAPL", "MSFT", "XOM"]


class Killed(BaseException):
    """The process ends here."""


def deploy(team, now, **options):
    version = trading.make_version(team, now, "buy_and_hold")
    account = trading.make_account(team, now, **options)
    return services.deploy(
        actor=system("tests", team.pk),
        version_id=version.id,
        account_id=account.pk,
        allocation=Decimal(50_000),
        symbols=SYMBOLS,
        now=now,
    )


@pytest.fixture
def feed(sample, db, now):
    return trading.make_feed(now)


def decide_by_turns(monkeypatch, *targets):
    """Let the strategy want each of the targets in turn, one a bar."""

    def decide(view, _params):
        turn = view.memory["turn"] = view.memory.get("turn", -1) + 1
        return np.array(targets[turn % len(targets)], dtype=np.float64)

    monkeypatch.setattr(get_strategy("buy_and_hold"), "decide", decide)


# Bars caught up with.


@pytest.mark.django_db
def test_missed_bars_are_each_judged_in_their_own_minute(feed, team, now, monkeypatch):
    deployment = deploy(team, now)
    decide_by_turns(monkeypatch, [0.3, 0.2, 0.1], [0.1, 0.2, 0.3], [0.2, 0.3, 0.1])
    subject = f"account:{deployment.account_id}"
    limits = {"max_orders_per_minute": len(SYMBOLS)}
    risk.set_limits(
        actor=system("tests", team.pk), subject=subject, values=limits, reason="tests", now=now
    )
    missed = [market.advance_feed(session_id=feed.pk, now=now) for _ in range(6)]
    assert services.catch_up(feed_name=feed.name, now=now).steps == len(missed)
    orders = Order.objects.filter(deployment=deployment)
    assert not orders.filter(state="refused").exists()
    bars = {batch.closed_at for batch in missed}
    assert bars <= set(orders.values_list("bar_at", flat=True)), "orders bear their bar's time"
    listed = list(orders.order_by("created_at").values_list("bar_at", flat=True))
    assert listed == sorted(listed), "lists keep the order of the bars"


@pytest.mark.django_db
def test_one_bar_that_asks_for_too_many_orders_is_still_refused(feed, team, now, monkeypatch):
    deployment = deploy(team, now)
    decide_by_turns(monkeypatch, [0.3, 0.2, 0.1])
    subject = f"account:{deployment.account_id}"
    limits = {"max_orders_per_minute": 2}
    risk.set_limits(
        actor=system("tests", team.pk), subject=subject, values=limits, reason="tests", now=now
    )
    trading.advance(feed, now)
    (refused,) = Order.objects.filter(deployment=deployment, state="refused")
    assert refused.reasons[0]["code"] == "limit.rate"
    deployment.account.refresh_from_db()
    assert count_by_hand(deployment.account, now).orders == 2


# Halts.


@pytest.mark.django_db
def test_a_halt_cut_off_before_its_cancels_is_finished_once(feed, team, actor, now, monkeypatch):
    deployment = deploy(team, now)
    trading.advance(feed, now)
    assert Order.objects.filter(deployment=deployment, state="accepted").count() == len(SYMBOLS)

    def die(*_):
        raise Killed

    monkeypatch.setattr(halts, "_cancel_open", die)
    with pytest.raises(Killed):
        services.halt(actor=actor("trader"), scope="team", reason="a fat finger", now=now)
    monkeypatch.undo()
    assert Order.objects.filter(deployment=deployment, state="accepted").exists()
    assert services.finish_halts(now=now) == 1
    assert not Order.objects.filter(finished_at=None).exists()
    row = Halt.objects.get(scope=f"team:{team.pk}")
    assert (row.cancelled_orders, row.open_after) == (len(SYMBOLS), 0)
    assert services.finish_halts(now=now) == 0
    filed = audit.list_events(team_id=team.pk, action="halt.read_back")
    assert len(filed) == 1


@pytest.mark.django_db
def test_the_stream_finishes_halts_when_it_looks(feed, team, actor, now, monkeypatch):
    from apps.trading.management.commands.stream import Stream

    deploy(team, now)
    trading.advance(feed, now)
    monkeypatch.setattr(halts, "_finish", lambda *_: None)
    services.halt(actor=actor("trader"), scope="team", reason="a fat finger", now=now)
    monkeypatch.undo()
    monkeypatch.setattr("apps.trading.management.commands.stream.close_old_connections", int)
    Stream(lambda _seconds: None).look()
    assert not Order.objects.filter(finished_at=None).exists()


@pytest.mark.django_db
def test_a_halt_of_everything_is_told_to_every_team(
    feed, team, other_team, monkeypatch, django_capture_on_commit_callbacks
):
    told = []
    monkeypatch.setattr(live, "publish", lambda topic, kind, _data: told.append((topic, kind)))
    with django_capture_on_commit_callbacks(execute=True):
        services.halt(actor=system("tests"), scope="all", reason="the end", now=clock.now())
    alerts = [topic for topic, kind in told if kind == "trading.halt.changed"]
    assert {f"t{team.pk}:alerts", f"t{other_team.pk}:alerts"} <= set(alerts)
    assert "all:alerts" not in alerts


def in_thread(act):
    """Run ``act`` in a thread with a connection of its own."""

    def run():
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_hanging_strategy_holds_up_no_halt_and_its_decision_is_dropped(
    sample, live_db, team, actor, monkeypatch
):
    now = clock.now()
    feed = trading.make_feed(now, name="hang-feed")
    deployment = deploy(team, now, feed="hang-feed")
    who = actor("trader")
    deciding, go_on = threading.Event(), threading.Event()
    turns = []

    def hang(_view, _params):
        turns.append(1)
        deciding.set()
        go_on.wait(PATIENCE)
        return np.array([0.3, 0.2, 0.1])

    monkeypatch.setattr(get_strategy("buy_and_hold"), "decide", hang)
    stream = in_thread(lambda: trading.advance(feed, now))
    try:
        assert deciding.wait(PATIENCE)
        halting = in_thread(
            lambda: services.halt(actor=who, scope="team", reason="it hangs", now=clock.now())
        )
        halting.join(PATIENCE / 2)
        assert not halting.is_alive(), "the halt waits for the strategy"
        go_on.set()
        stream.join(PATIENCE)
        deployment.refresh_from_db()
        assert deployment.status == Deployment.Status.HALTED
        assert deployment.bars_done == 1, "the bar itself was booked"
        assert not Order.objects.filter(deployment=deployment).exists()
        assert len(turns) == 1
    finally:
        go_on.set()
        stream.join(PATIENCE)
        feed.delete()


# The guard.


@pytest.mark.django_db
def test_an_order_that_was_replaced_no_longer_counts_as_pending(feed, team, now, monkeypatch):
    deployment = deploy(team, now)
    decide_by_turns(monkeypatch, [0.5, 0.0, 0.0], [0.4, 0.0, 0.0])
    subject = f"account:{deployment.account_id}"
    # 0.4 of 50,000 fits; with the replaced order beside it, 45,000 would not.
    risk.set_limits(
        actor=system("tests", team.pk),
        subject=subject,
        values={"max_position_value": 30_000},
        reason="tests",
        now=now,
    )
    trading.advance(feed, now)
    real = stepping._bar

    def without_open(panel, state, i):
        bar = real(panel, state, i)
        bar.open[:] = np.nan
        return bar

    monkeypatch.setattr(stepping, "_bar", without_open)
    trading.advance(feed, now)
    orders = Order.objects.filter(deployment=deployment).order_by("created_at")
    assert [(o.target_weight, o.state) for o in orders] == [(0.5, "cancelled"), (0.4, "accepted")]
