"""What goes wrong between two steps: cut-off sends, strategies that raise, orders refused."""

from datetime import timedelta
from decimal import Decimal

import pytest

from apps.core.actors import system
from apps.core.errors import Unavailable
from apps.core.plugs import load_plug
from apps.market import services as market
from apps.risk.models import Breach
from apps.strategies.selectors import get_strategy
from apps.trading import services, store
from apps.trading.models import Deployment, Halt, Order
from apps.trading.services import stepping
from tests.factories import trading

pytestmark = pytest.mark.django_db


@pytest.fixture
def feed(sample, db, now):
    return trading.make_feed(now)


def deploy(team, now, *, limits="wide", name="buy_and_hold", **options):
    version = trading.make_version(team, now, name)
    account = trading.make_account(team, now, limits=limits)
    return services.deploy(
        actor=system("tests", team.pk),
        version_id=version.id,
        account_id=account.pk,
        allocation=Decimal(50_000),
        now=now,
        **options,
    )


def test_intents_that_were_not_sent_go_out_before_the_next_bar(feed, team, now, monkeypatch):
    deployment = deploy(team, now)
    monkeypatch.setattr(stepping, "send_intents", lambda **_: 0)  # the process dies here
    trading.advance(feed, now, bars=1)
    monkeypatch.undo()
    orders = Order.objects.filter(deployment=deployment)
    assert set(orders.values_list("state", flat=True)) == {"created"}
    trading.advance(feed, now, bars=1)
    assert set(orders.values_list("state", flat=True)) == {"filled"}


def test_a_send_whose_answer_is_missing_is_repeated_under_the_same_id(
    feed, team, now, monkeypatch
):
    deployment = deploy(team, now, symbols=["AAPL"])
    broker = load_plug("BROKERS", "paper")
    sent = []

    def lost(ticket):
        sent.append(ticket.client_id)
        raise KeyboardInterrupt  # the process dies after the venue took the order

    monkeypatch.setattr(broker, "submit", lost)
    with pytest.raises(KeyboardInterrupt):
        trading.advance(feed, now, bars=1)
    monkeypatch.undo()
    order = Order.objects.get(deployment=deployment)
    assert order.state == "submitted"
    soon = now + timedelta(seconds=1)
    assert services.send_intents(account_id=deployment.account_id, now=soon) == 0
    later = now + timedelta(seconds=60)
    assert services.send_intents(account_id=deployment.account_id, now=later) == 1
    order.refresh_from_db()
    assert (order.state, order.client_id) == ("accepted", sent[0])
    assert Order.objects.filter(deployment=deployment).count() == 1


def test_a_venue_that_does_not_answer_leaves_the_order_unknown(feed, team, now, monkeypatch):
    deployment = deploy(team, now, symbols=["AAPL"])
    broker = load_plug("BROKERS", "paper")

    def silent(_ticket):
        raise Unavailable("no answer")

    monkeypatch.setattr(broker, "submit", silent)
    trading.advance(feed, now, bars=1)
    monkeypatch.undo()
    trading.advance(feed, now, bars=1)
    order = Order.objects.get(deployment=deployment)
    assert order.state == "unknown"
    assert order.reasons[0]["code"] == "order.unknown"


def test_a_strategy_that_raises_is_halted_and_says_why(feed, team, now, monkeypatch):
    deployment = deploy(team, now)

    def broken(_view, _params):
        raise ZeroDivisionError("by design")

    monkeypatch.setattr(get_strategy("buy_and_hold"), "decide", broken)
    trading.advance(feed, now, bars=2)
    deployment.refresh_from_db()
    assert deployment.status == Deployment.Status.HALTED
    assert "ZeroDivisionError: by design" in deployment.note
    assert Halt.objects.get(scope=f"deployment:{deployment.pk}").is_halted
    assert not Order.objects.filter(deployment=deployment).exists()
    assert len(store.read_points(deployment.account_id, 1, deployment_id=deployment.pk)) == 2
    monkeypatch.undo()
    scope = f"deployment:{deployment.pk}"
    lab = system("tests", team.pk)
    services.resume(actor=lab, scope=scope, reason="it was mended", now=now)
    trading.advance(feed, now, bars=1)
    assert Order.objects.filter(deployment=deployment).exists()


def test_the_guard_stands_before_every_order_of_a_strategy(feed, team, now):
    deployment = deploy(team, now, limits="default")
    trading.advance(feed, now, bars=2)
    orders = Order.objects.filter(deployment=deployment)
    assert orders.filter(state="filled").count() == 20, "positions at once"
    refused = orders.filter(state="refused")
    codes = {reason["code"] for order in refused for reason in order.reasons}
    assert codes == {"limit.positions"}
    assert Breach.objects.filter(team=team).count() == refused.count()
    deployment.refresh_from_db()
    held = [quantity for quantity in deployment.state["book"]["positions"] if quantity]
    assert len(held) == 20


def test_one_account_s_fault_leaves_the_others_alone(feed, team, now, monkeypatch):
    broken = deploy(team, now)
    sound = trading.make_account(team, now, name="Sound")

    def fails(account_id, _panel, _bar):
        if account_id == broken.account_id:
            raise RuntimeError("by design")
        return {}

    monkeypatch.setattr(stepping, "ready_decisions", fails)
    batch = market.advance_feed(session_id=feed.pk, now=now)
    stepped = services.step_deployments(batch=batch, now=now)
    assert (stepped.steps, stepped.failed) == (1, 1)
    assert len(store.read_points(sound.pk, 1)) == 1
    assert len(store.read_points(broken.account_id, 1)) == 0
    monkeypatch.undo()
    trading.advance(feed, now, bars=1)
    assert len(store.read_points(broken.account_id, 1)) == 2
