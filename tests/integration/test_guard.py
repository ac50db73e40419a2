"""The guard at every door, sets of strategies, emergency stops, protection: on paper accounts."""

import ast
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from apps.audit import selectors as audit
from apps.core.actors import system
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.risk import selectors as risk_selectors
from apps.risk import services as risk
from apps.risk.kernel.limits import Refusal
from apps.risk.models import Breach, Stop
from apps.strategies.kernel.orders import Intents
from apps.strategies.kernel.orders import Order as Asked
from apps.strategies.selectors import get_strategy
from apps.trading import services
from apps.trading.errors import Refused
from apps.trading.models import Order
from apps.trading.selectors import trades
from apps.trading.services import desks, stepping
from tests.factories import signing, trading

SYMBOLS = ["AAPL", "MSFT", "XOM"]
APPS = Path(__file__).parents[2] / "apps"
WHY = "Looked at; the loss is understood."
pytestmark = pytest.mark.django_db


@pytest.fixture
def feed(sample, db, now):
    return trading.make_feed(now)


def deploy(team, now, *, allocation=50_000, **options):
    version = trading.make_version(team, now, "buy_and_hold")
    account = trading.make_account(team, now, **options)
    return services.deploy(
        actor=system("tests", team.pk),
        version_id=version.id,
        account_id=account.pk,
        allocation=Decimal(allocation),
        symbols=SYMBOLS,
        now=now,
    )


def limit(team, now, subject, **values):
    """Tighter limits; a set of the lab's own may also be wider."""
    risk.set_limits(
        actor=system("tests", team.pk), subject=subject, values=values, reason="tests", now=now
    )


def decide(monkeypatch, *answers):
    """Let the strategy answer each of these in turn, one a bar, the last for good."""

    def answer(view, _params):
        turn = view.memory["turn"] = view.memory.get("turn", -1) + 1
        found = answers[min(turn, len(answers) - 1)]
        return found if isinstance(found, Intents) else np.array(found, dtype=np.float64)

    monkeypatch.setattr(get_strategy("buy_and_hold"), "decide", answer)


def flat(monkeypatch, *prices):
    """Let every bar open, stay and close at these prices in turn, the last for good."""
    real, played = stepping._bar, []

    def bar_at(panel, state, i):
        bar = real(panel, state, i)
        if bar.opened_at not in played:
            played.append(bar.opened_at)
        price = prices[min(played.index(bar.opened_at), len(prices) - 1)]
        for row in (bar.open, bar.close, *(bar.rest[name] for name in ("high", "low"))):
            row[:] = price
        return bar

    monkeypatch.setattr(stepping, "_bar", bar_at)


def codes(order):
    return {reason["code"] for reason in order.reasons}


# The guard


def test_every_reason_against_an_order_by_hand_comes_at_once(feed, team, actor, now):
    account = trading.make_account(team, now, limits="default")
    trading.advance(feed, now)
    feed.refresh_from_db()
    feed.status = "paused"
    feed.save(update_fields=["status"])
    with pytest.raises(Refused) as caught:
        services.place_order(
            actor=actor("trader"), account_id=account.pk, symbol="AAPL", side="buy",
            quantity=Decimal("1e12"), now=now,
        )  # fmt: skip
    found = {reason["code"] for reason in caught.value.details["refusals"]}
    assert found == {
        "limit.session_closed",
        "limit.order_value",
        "limit.order_quantity",
        "limit.position_value",
        "limit.position_share",
        "limit.trade_risk",
        "limit.exposure",
        "limit.leverage",
        "order.cash",
    }
    (order,) = Order.objects.filter(account=account)
    assert (order.state, codes(order)) == ("refused", found)
    assert set(Breach.objects.filter(team=team).values_list("code", flat=True)) == found


def test_absurd_orders_and_repeated_ones_are_refused(feed, team, actor, now):
    account = trading.make_account(team, now, limits="default")
    trading.advance(feed, now)
    asked = {"actor": actor("trader"), "account_id": account.pk, "symbol": "AAPL", "side": "buy"}
    for quantity in ("1e17", "NaN", "Infinity"):
        with pytest.raises(Invalid) as caught:
            services.place_order(**asked, quantity=Decimal(quantity), now=now)
        assert caught.value.code == "order.quantity"
    with pytest.raises(Refused) as caught:
        services.place_order(**asked, quantity=Decimal("9e14"), now=now)
    assert "order.absurd" in {one["code"] for one in caught.value.details["refusals"]}
    services.place_order(**asked, quantity=Decimal(30), client_id="a", now=now)
    with pytest.raises(Refused) as caught:
        services.place_order(**asked, quantity=Decimal(30), now=now + timedelta(seconds=1))
    assert [one["code"] for one in caught.value.details["refusals"]] == ["limit.repeated"]
    with pytest.raises(Conflict) as caught:
        services.place_order(**asked, quantity=Decimal(30), client_id="a", now=now)
    assert caught.value.code == "order.duplicate", "a retry is told as one"
    services.place_order(**asked, quantity=Decimal(30), now=now + timedelta(seconds=6))


def test_a_strategy_s_own_set_comes_on_top_of_the_account_s(feed, team, now, monkeypatch):
    deployment = deploy(team, now)
    limit(team, now, "strategy:buy_and_hold", max_position_share=0.1)
    decide(monkeypatch, [0.3, 0.1, 0.1])
    trading.advance(feed, now)
    found = {o.symbol: codes(o) for o in Order.objects.filter(deployment=deployment)}
    # 30 % and 10 % of 50,000 on an account of 100,000.
    assert found == {"AAPL": {"limit.position_share"}, "MSFT": set(), "XOM": set()}
    view = risk_selectors.get_limits(team_id=team.pk, subject="strategy:other")
    assert view.limits.max_positions is None, "a strategy without a set adds nothing"


def writers():
    """Every place in the apps that makes an order, or hands one to a broker."""
    for path in sorted(APPS.rglob("*.py")):
        text = path.read_text()
        if "migrations" in path.parts or not ("Order" in text or ".submit" in text):
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            made = name == "Order" and any(word.arg == "client_id" for word in node.keywords)
            stored = name.startswith("Order.objects.") and name.endswith("create")
            sent = name.endswith(".submit") and "broker" in name
            if made or stored or sent:
                yield f"{path.relative_to(APPS)}: {name}"


def test_nobody_else_writes_orders():
    # Asked about and never stored (selectors); made under the guard; what the venue made of an
    # order that passed; what passed, sent.
    assert set(writers()) == {
        "trading/selectors/trades.py: Order",
        "trading/selectors/what_if.py: Order",
        "trading/services/placing.py: Order",
        "trading/services/steps.py: Order",
        "trading/services/steps.py: Order.objects.bulk_create",
        "trading/services/working.py: Order",
        "trading/services/sending.py: broker.submit",
    }


def test_no_door_goes_round_the_guard(feed, team, actor, now, monkeypatch):
    """With a guard that refuses everything nothing is sent, whatever door is taken."""
    refuses = lambda *_: [Refusal("limit.tests", "By design.")]  # noqa: E731
    deployment = deploy(team, now)
    trading.advance(feed, now)
    Order.objects.all().delete()
    monkeypatch.setattr(desks, "check_order", refuses)
    monkeypatch.setattr(trades, "check_order", refuses)
    bracket = Asked(0, 5.0, "limit", price=1.0, stop_loss=0.5, take_profit=9.0)
    decide(monkeypatch, Intents(np.array([0.3, 0.3, 0.3]), orders=(bracket,)))
    trading.advance(feed, now, bars=3)
    asked = {"account_id": deployment.account_id, "symbol": "AAPL", "side": "buy"}
    with pytest.raises(Refused):
        services.place_order(actor=actor("trader"), **asked, quantity=Decimal(1), now=now)
    terms = {**asked, "quantity": "1", "kind": "market", "client_id": "agreed"}
    with pytest.raises(Refused):
        services.place_agreed(actor=system("decisions", team.pk), terms=terms, now=now)
    orders = Order.objects.filter(account_id=deployment.account_id)
    assert orders.filter(deployment=deployment).count() >= 4
    assert set(orders.values_list("state", flat=True)) == {"refused"}


# The emergency stop


def fallen(feed, team, now, monkeypatch, **options):
    """A deployment that lost 12 % of its account in one bar: the stop at 10 % has tripped."""
    deployment = deploy(team, now, allocation=100_000, **options)
    limit(team, now, f"account:{deployment.account_id}", ess_drawdown=0.10, ess_daily_loss=None)
    flat(monkeypatch, 100.0, 100.0, 80.0)
    decide(monkeypatch, [0.2, 0.2, 0.2], [np.nan] * 3, [0.3, 0.1, np.nan], [np.nan] * 3)
    trading.advance(feed, now, bars=3)
    return deployment


def test_a_stop_blocks_openings_and_lets_exits_pass(feed, team, actor, now, monkeypatch):
    deployment = fallen(feed, team, now, monkeypatch)
    scope = f"account:{deployment.account_id}"
    stop = Stop.objects.get(scope=scope)
    assert (stop.state, stop.trips) == ("active", 1)
    assert "below its peak" in stop.cause
    decided = Order.objects.filter(deployment=deployment).order_by("-bar_at", "symbol")[:2]
    more, less = decided
    assert (more.symbol, more.state, codes(more)) == ("AAPL", "refused", {"limit.emergency_stop"})
    assert (less.symbol, less.state) == ("MSFT", "accepted"), "20 % to 10 % makes it smaller"
    trading.advance(feed, now)
    less.refresh_from_db()
    assert less.state == "filled"
    trader, asked = actor("trader"), {"account_id": deployment.account_id, "symbol": "XOM"}
    with pytest.raises(Refused) as caught:
        services.place_order(actor=trader, **asked, side="buy", quantity=Decimal(1), now=now)
    assert caught.value.details["refusals"][0]["code"] == "limit.emergency_stop"
    services.place_order(actor=trader, **asked, side="sell", quantity=Decimal(1), now=now)
    assert Breach.objects.filter(team=team, subject=scope, message__contains="tripped").exists()


def test_two_people_end_a_stop_and_it_cools_down(
    feed, team, other_team, actor, now, monkeypatch, client_as
):
    scope = f"account:{fallen(feed, team, now, monkeypatch).account_id}"
    first, second = actor("risk_manager"), actor("risk_manager")
    with pytest.raises(NotFound):
        risk.propose_stop_resume(
            actor=actor("risk_manager", of=other_team), scope=scope, reason=WHY, now=now
        )
    with pytest.raises(Denied):
        risk.resume_stop(actor=first, scope=scope, reason=WHY, now=now)
    manager = client_as("risk_manager")
    assert "Propose to end it" in manager.get("/risk/guard/").content.decode()
    proposal = risk.propose_stop_resume(actor=first, scope=scope, reason=WHY, now=now)
    page = manager.get("/risk/guard/").content.decode()
    assert f"/approvals/{proposal.pk}/" in page
    assert "Propose to end it" not in page
    with pytest.raises(Denied):
        signing.decide(first, proposal, now)
    signing.decide(second, proposal, now)
    stop = Stop.objects.get(scope=scope)
    assert (stop.state, stop.peak) == ("cooldown", stop.equity)
    assert risk_selectors.blocking_among([scope]) == [scope]
    later = now + timedelta(minutes=5)
    services.watch_stops(now=later - timedelta(seconds=1))
    assert risk_selectors.blocking_among([scope]) == [scope]
    services.watch_stops(now=later)
    assert risk_selectors.blocking_among([scope]) == []
    actions = [e.action for e in audit.list_events(team_id=team.pk, subject=f"stop:{scope}")]
    assert actions == ["stop.ended", "stop.resumed", "stop.tripped"]
    with pytest.raises(Conflict):
        risk.propose_stop_resume(actor=first, scope=scope, reason=WHY, now=now)


def test_what_waits_to_open_is_taken_back_and_what_closes_is_not(feed, team, now, monkeypatch):
    deployment = deploy(team, now, allocation=100_000)
    limit(team, now, f"account:{deployment.account_id}", ess_drawdown=0.10, ess_daily_loss=None)
    opening = Asked(2, 10.0, "limit", price=60.0, tag="open")
    closing = Asked(0, -np.inf, "stop", price=50.0, reduce_only=True, tag="close")
    flat(monkeypatch, 100.0, 100.0, 80.0)
    decide(
        monkeypatch,
        [0.4, 0.4, 0.0],
        Intents(orders=(opening, closing)),
        Intents(),
    )
    trading.advance(feed, now, bars=3)
    orders = {o.terms.get("tag"): o for o in Order.objects.filter(deployment=deployment)}
    assert (orders["open"].state, codes(orders["open"])) == ("cancelled", {"limit.emergency_stop"})
    assert orders["close"].state == "accepted"
    trading.advance(feed, now, bars=2)
    orders["close"].refresh_from_db()
    assert orders["close"].state == "accepted"
    assert services.watch_stops(now=now) == 0, "there is nothing left to take back"


def test_a_strategy_and_a_team_have_stops_of_their_own(feed, team, now, monkeypatch):
    deployment = deploy(team, now, allocation=50_000)
    limit(team, now, "strategy:buy_and_hold", ess_drawdown=0.15)
    limit(team, now, "", ess_drawdown=0.08, ess_daily_loss=None)
    services.watch_stops(now=now)
    flat(monkeypatch, 100.0, 100.0, 80.0)
    decide(monkeypatch, [0.3, 0.3, 0.3], [np.nan] * 3)
    trading.advance(feed, now, bars=3)
    services.watch_stops(now=now)
    # 90 % of 50,000 lost a fifth: 18 % of the deployment, 9 % of the account and of the team.
    states = dict(Stop.objects.filter(team=team).values_list("scope", "state"))
    assert states == {
        f"account:{deployment.account_id}": "ok",
        f"deployment:{deployment.pk}": "active",
        f"team:{team.pk}": "active",
    }


def test_an_account_that_is_opened_hides_no_loss_of_the_team(feed, team, now):
    limit(team, now, "", ess_drawdown=0.08)
    first = trading.make_account(team, now)
    services.watch_stops(now=now)
    trading.make_account(team, now, name="Fresh", cash=Decimal(900_000))
    services.watch_stops(now=now)
    first.equity = 15_000.0
    first.save(update_fields=["equity"])
    services.watch_stops(now=now)
    stop = Stop.objects.get(scope=f"team:{team.pk}")
    assert (stop.peak, stop.equity, stop.state) == (1_000_000.0, 915_000.0, "active")


# Protection


def test_a_position_is_stopped_out_and_stays_out(feed, team, now, monkeypatch):
    deployment = deploy(team, now)
    limit(team, now, "strategy:buy_and_hold", protect_stop=0.05, protect_multiple=1e-9)
    # Volatility makes next to nothing of a stop: its nearest, a quarter of 5 %.
    flat(monkeypatch, 100.0, 100.0, 100.0, 98.0, 98.0)
    decide(monkeypatch, [0.3, 0.0, 0.0])
    trading.advance(feed, now, bars=2)
    guarding = Order.objects.filter(deployment=deployment, terms__tag="protection")
    stop, take = guarding.get(kind="stop"), guarding.get(kind="limit")
    entry = float(deployment.positions.get().average_price)
    assert stop.terms["price"] == pytest.approx(entry * (1 - 0.0125))
    assert take.terms["price"] == pytest.approx(entry * (1 + 0.025))
    trading.advance(feed, now, bars=2)
    stop.refresh_from_db()
    take.refresh_from_db()
    assert stop.state == "filled"
    assert take.state == "cancelled"
    assert not deployment.positions.exists()
    trading.advance(feed, now, bars=2)
    assert not deployment.positions.exists(), "wanting the same again is not wanting it anew"


def test_a_strategy_s_confidence_moves_the_take(feed, team, now, monkeypatch):
    deployment = deploy(team, now)
    limit(team, now, "strategy:buy_and_hold", protect_stop=0.05, protect_multiple=1e-9)
    flat(monkeypatch, 100.0)
    decide(monkeypatch, [0.3, 0.0, 0.0])
    strategy = get_strategy("buy_and_hold")
    monkeypatch.setattr(
        strategy, "prepare", lambda panel, _: {"confidence": panel.close * 0 + 1.0}
    )
    trading.advance(feed, now, bars=2)
    take = Order.objects.get(deployment=deployment, terms__tag="protection", kind="limit")
    entry = float(deployment.positions.get().average_price)
    assert take.terms["price"] == pytest.approx(entry * (1 + 3 * 0.0125))


def test_protection_switched_off_is_taken_back(feed, team, now, monkeypatch):
    deployment = deploy(team, now)
    limit(team, now, "strategy:buy_and_hold", protect_stop=0.05)
    flat(monkeypatch, 100.0)
    decide(monkeypatch, [0.3, 0.0, 0.0], [np.nan] * 3)
    trading.advance(feed, now, bars=2)
    guarding = Order.objects.filter(deployment=deployment, terms__tag="protection")
    assert guarding.filter(finished_at=None).count() == 2
    limit(team, now, "strategy:buy_and_hold", protect_stop=None)
    trading.advance(feed, now)
    assert not guarding.filter(finished_at=None).exists()
