"""Live risk on the replay: messages, resync, netting, what-if, the model in force."""

import asyncio
import json
import threading
from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async

from apps.core import clock, live
from apps.core.actors import system
from apps.core.errors import Conflict, Invalid, NotFound
from apps.market.models import FeedSession
from apps.risk import selectors as risk
from apps.risk import services as risk_services
from apps.risk.models import GradeRun, Scenario
from apps.risk.selectors import health
from apps.risk.selectors import live as live_selectors
from apps.risk.services import live as teller
from apps.trading import services
from apps.trading.models import Order, Position
from apps.trading.selectors import windows
from tests.factories import people, trading
from tests.integration.test_accounts_sockets import socket_of

JSON = "application/json"
MONEY = ("var_money", "es_money")


@pytest.fixture
def feed(sample, db, now):
    return trading.make_feed(now, name="live-risk-feed")


def account_on(feed, team, now, **options):
    """An account that trades free of cost, so that fills move no equity by themselves."""
    free = {"fee_bps": 0.0, "slippage_bps": 0.0, **options}
    return trading.make_account(team, now, feed=feed.name, **free)


def order(team, account, now, symbol="AAPL", quantity=10, side="buy"):
    return services.place_order(
        actor=system("tests", team.pk),
        account_id=account.pk,
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        now=now,
    )


def state_of(team, account):
    return risk.live_state(team_id=team.pk, subject=f"account:{account.pk}")["books"][0]


def money(figures):
    return [row[name] for row in figures["levels"] for name in MONEY]


def grade(team, account, now, model, colour="green"):
    return GradeRun.objects.create(
        team=team, subject=f"account:{account.pk}", title="Grade", digest=model, until=now,
        days=250, window=250, colour=colour, in_force=model, before="historical",
        body={"models": {}}, created_by="system:grading", created_at=now,
    )  # fmt: skip


# --- state ---------------------------------------------------------------------------------------


def test_an_account_as_it_stands(feed, team, now, api_as):
    account = account_on(feed, team, now)
    trading.advance(feed, now)
    assert (state_of(team, account)["code"], state_of(team, account)["gross"]) == ("risk.empty", 0)
    order(team, account, now)
    trading.advance(feed, now)
    book = state_of(team, account)
    assert (book["model"], book["observations"], book["covered"]) == ("historical", 250, 1.0)
    assert book["gross"] == pytest.approx(10 * book["parts"][0]["price"], rel=1e-12)
    # Bars taken as they were handed out are those that are stored.
    windows._KEPT.clear()
    live_selectors._HISTORIES.clear()
    again = state_of(team, account)
    assert (again["levels"], again["parts"]) == (book["levels"], book["parts"])
    told = api_as("viewer").get("/api/v1/risk/live").json()
    assert told["books"][0]["digest"] == book["digest"]
    assert money(told["books"][0]) == pytest.approx(money(book), rel=1e-12)
    with pytest.raises(NotFound):
        risk.live_state(team_id=team.pk, subject="account:987654000")


def test_a_model_that_hands_over_switches_the_figures(feed, team, now):
    account = account_on(feed, team, now)
    for symbol in ("AAPL", "MSFT", "XOM"):
        order(team, account, now, symbol)
    trading.advance(feed, now)
    before = state_of(team, account)
    grade(team, account, now, "gaussian")
    after = state_of(team, account)
    assert (before["in_force"], before["colour"]) == ("historical", "ungraded")
    assert (after["in_force"], after["model"], after["colour"]) == (
        "gaussian",
        "gaussian",
        "green",
    )
    assert money(after) != pytest.approx(money(before), rel=1e-6)
    group = risk.live_state(team_id=team.pk)["groups"][0]
    assert group["figures"]["model"] == "gaussian"


def test_strategies_and_accounts_net_and_currencies_stay_apart(feed, team, now):
    first = account_on(feed, team, now, name="First")
    second = account_on(feed, team, now, name="Second")
    euro = account_on(feed, team, now, name="Euro", currency="EUR")
    for account, side in ((first, "buy"), (second, "buy"), (euro, "buy")):
        order(team, account, now, side=side)
    trading.advance(feed, now)
    # Nobody goes short by hand here: the other side is written down.
    Position.objects.filter(account=second).update(quantity=Decimal(-10))
    state = risk.live_state(team_id=team.pk)
    groups = {group["currency"]: group for group in state["groups"]}
    dollars = groups["USD"]
    assert (dollars["figures"]["gross"], dollars["figures"]["positions"]) == (0.0, 0)
    assert dollars["benefit"][1]["net_es"] == 0.0
    alone = [row["levels"][1]["es_money"] for row in dollars["strategies"]]
    assert dollars["benefit"][1]["es"] == pytest.approx(sum(alone), rel=1e-12)
    assert dollars["crossed"][0]["netted"] == 10.0
    assert [row["title"] for row in groups["EUR"]["accounts"]] == ["Euro"]
    assert any("EUR, USD are not added up" in words for words in state["apart"])


def test_what_has_no_history_is_named(feed, team, now):
    account = account_on(feed, team, now)
    order(team, account, now)
    trading.advance(feed, now)
    Position.objects.create(
        account=account, symbol="NOSUCH", quantity=1, average_price=5, last_price=5,
        last_price_at=now, updated_at=now,
    )  # fmt: skip
    book = state_of(team, account)
    assert [row["symbol"] for row in book["unmeasured"]] == ["NOSUCH"]
    assert book["covered"] == pytest.approx(1 - 5 / book["gross"])
    assert book["levels"]


# --- what if -------------------------------------------------------------------------------------


def ask(team, account, now, **wanted):
    return risk.get_what_if(team_id=team.pk, subject=f"account:{account.pk}", now=now, **wanted)


BUY = {"symbol": "MSFT", "side": "buy", "quantity": 20}


def test_what_if_equals_the_book_after_the_trade_is_filled(feed, team, now):
    """Two accounts hold the same; one buys, the other asks at the prices of the same bar."""
    done, asked = (account_on(feed, team, now, name=name) for name in ("Done", "Asked"))
    for account in (done, asked):
        order(team, account, now, "AAPL", 30)
    trading.advance(feed, now, bars=2)
    order(team, done, now, "MSFT", 20)
    order(team, done, now, "AAPL", 10, "sell")
    trading.advance(feed, now)
    filled = state_of(team, done)
    found = ask(team, asked, now, orders=[BUY, {"symbol": "AAPL", "side": "sell", "quantity": 10}])
    before, after = found["before"], found["after"]
    assert money(before) == pytest.approx(money(state_of(team, asked)), rel=1e-12)
    assert money(after) == pytest.approx(money(filled), rel=1e-9)
    for name in ("gross", "net", "long", "positions"):
        assert after[name] == pytest.approx(filled[name], rel=1e-12), name
    parts = {row["symbol"]: (row["quantity"], row["es_99"]) for row in after["parts"]}
    for row in filled["parts"]:
        assert parts[row["symbol"]] == pytest.approx((row["quantity"], row["es_99"]), rel=1e-9)


def test_what_if_of_nothing_changes_nothing(feed, team, now):
    account = account_on(feed, team, now)
    order(team, account, now)
    trading.advance(feed, now)
    found = ask(team, account, now)
    assert found["before"] == found["after"]
    assert (found["orders"], found["guard"]["passes"], found["cost"]) == ([], True, 0.0)
    held = state_of(team, account)["parts"][0]["weight"]
    kept = ask(team, account, now, weights={"AAPL": held})
    assert money(kept["after"]) == pytest.approx(money(kept["before"]), rel=1e-6)


def test_weights_are_reached_and_stress_goes_along(feed, team, now):
    account = account_on(feed, team, now)
    order(team, account, now)
    trading.advance(feed, now)
    Scenario.objects.create(
        team=team, name="fall", version=1, title="A fall", created_by="user:0", created_at=now,
        shocks={"instrument": {"AAPL": -0.5, "MSFT": -0.2}, "sector": {}, "factor": {}},
    )  # fmt: skip
    found = ask(team, account, now, weights={"AAPL": 0.0, "MSFT": 0.25})
    weights = {row["symbol"]: row["weight"] for row in found["after"]["parts"]}
    assert weights == {"MSFT": pytest.approx(0.25, rel=1e-6)}
    assert [row["side"] for row in found["orders"]] == ["sell", "buy"]
    assert found["stress"][0]["after"] == pytest.approx(0.25 * 0.2, rel=1e-6)
    held = found["before"]["parts"][0]["weight"]
    assert found["stress"][0]["before"] == pytest.approx(held * 0.5, rel=1e-9)


def test_every_reason_of_the_guard_is_told(feed, team, now):
    account = account_on(feed, team, now)
    trading.advance(feed, now)
    lab, subject = system("tests", team.pk), f"account:{account.pk}"
    tight = {"max_order_value": 50.0, "max_position_value": 40.0, "restricted": ["MSFT"]}
    risk_services.set_limits(
        actor=lab, subject=subject, base="wide", values=tight, reason="tests", now=now
    )
    found = ask(team, account, now, orders=[BUY])
    codes = {row["code"] for row in found["guard"]["reasons"]}
    assert {"limit.order_value", "limit.position_value", "limit.restricted"} <= codes
    with pytest.raises(Exception, match="order"):
        order(team, account, now, "MSFT", 20)
    refused = Order.objects.get(account=account, state="refused")
    assert {row["code"] for row in refused.reasons} == codes
    two = ask(team, account, now, orders=[BUY, {**BUY, "symbol": "AAPL", "quantity": 1}])
    assert {row["symbol"] for row in two["guard"]["reasons"]} == {"MSFT"}


def test_what_cannot_be_asked_is_refused(feed, team, other_team, now):
    account = account_on(feed, team, now)
    trading.advance(feed, now)
    with pytest.raises(Invalid, match="not on feed"):
        ask(team, account, now, orders=[{**BUY, "symbol": "NOSUCH"}])
    with pytest.raises(Invalid) as error:
        ask(team, account, now, orders=[BUY], weights={"AAPL": 0.1})
    assert error.value.code == "risk.what_if"
    with pytest.raises(Invalid):
        ask(team, account, now, weights={"AAPL": float("nan")})
    with pytest.raises(NotFound):
        ask(other_team, account, now, orders=[BUY])


def test_a_proposed_trade_shows_what_it_would_do(feed, team, now, api_as, client_as):
    account = account_on(feed, team, now)
    trading.advance(feed, now)
    made = services.propose_order(
        actor=people.make_actor(team, "trader"), account_id=account.pk, symbol="MSFT", side="buy",
        quantity=Decimal(20), rationale="Looks cheap to me.", now=clock.now(),
    )  # fmt: skip
    answer = api_as("viewer").post(
        "/api/v1/risk/what-if", {"proposal_id": str(made.pk)}, content_type=JSON
    )
    assert answer.status_code == 200, answer.content
    assert answer.json()["orders"][0]["symbol"] == "MSFT"
    assert answer.json()["after"]["gross"] > answer.json()["before"]["gross"] == 0.0
    page = client_as("viewer").get(f"/approvals/{made.pk}/").content.decode()
    assert "Risk with it" in page
    assert "data-what-if" in page
    made.status = "rejected"
    made.save(update_fields=["status"])
    with pytest.raises(Conflict):
        risk.get_what_if(team_id=team.pk, proposal_id=made.pk, now=now)


def test_a_promotion_shows_what_its_run_held(feed, team, now, monkeypatch):
    from apps.risk.selectors import what_if
    from apps.risk.selectors.books import Holding

    account = account_on(feed, team, now)
    trading.advance(feed, now)
    held = Holding("backtest:x", "Run", {"AAPL": 0.6, "sample:MSFT": 0.3, "NOSUCH": 0.1}, 1e4)
    monkeypatch.setattr(what_if, "get_holding", lambda **_: held)
    terms = {"data": {"run": "x"}, "account": account.pk, "capital_usd": 1_000.0}
    found = risk.what_if_proposed(
        team_id=team.pk, kind="promotion", terms=terms, title="t", now=now
    )
    values = {row["symbol"]: row["value"] for row in found["after"]["parts"]}
    assert values == pytest.approx({"AAPL": 600.0, "MSFT": 300.0}, rel=1e-6)
    assert [row["symbol"] for row in found["left_out"]] == ["NOSUCH"]
    with pytest.raises(Invalid):
        risk.what_if_proposed(team_id=team.pk, kind="limits", terms={}, title="", now=now)


def test_the_order_form_shows_it_as_one_types(feed, team, now, client_as):
    account = account_on(feed, team, now)
    trading.advance(feed, now)
    page = client_as("trader")
    path = f"/live/{account.pk}/what-if/"
    assert "Fill in side" in page.get(path).content.decode()
    shown = page.get(path, {"symbol": "AAPL", "side": "buy", "quantity": "10"}).content.decode()
    assert "The guard lets it pass" in shown
    assert "ES 99 %" in shown
    missing = page.get(path, {"symbol": "NOSUCH", "side": "buy", "quantity": "1"})
    assert "order.symbol" in missing.content.decode()
    assert (
        f'data-subject="account:{account.pk}"' in page.get(f"/live/{account.pk}/").content.decode()
    )


# --- told ----------------------------------------------------------------------------------------


@pytest.fixture
def alone(sample, live_db):
    """A feed of the test's own, no note of anybody else's waiting."""
    live.client().delete(health.CHANGED)
    made = trading.make_feed(clock.now(), name="told-feed")
    yield made
    live.client().delete(health.CHANGED, health.TOLD)
    FeedSession.objects.filter(pk=made.pk).delete()


def noted(team):
    fields = [field.decode() for field in live.client().hkeys(health.CHANGED)]
    return sorted(field for field in fields if field.startswith(f"{team.pk} "))


def test_many_changes_are_told_once(alone, team, monkeypatch):
    account = account_on(alone, team, clock.now())
    assert noted(team) == [f"{team.pk} account:{account.pk}"]
    sent = []
    monkeypatch.setattr(teller.events, "emit", lambda **message: sent.append(message))
    trading.advance(alone, clock.now(), bars=3)
    told = risk_services.tell_changes(clock=clock.now)
    mine = [
        message["topic"]
        for message in sent
        if message["team_id"] == team.pk and message["kind"] == risk_services.LIVE_CHANGED
    ]
    assert mine == [f"account.{account.pk}", "risk"]
    assert told.lag >= 0.0
    assert noted(team) == []
    assert risk_services.tell_changes(clock=clock.now).messages == 0
    assert health.last_told()["messages"] >= 2
    assert health.oldest_waiting() is None


async def told_of(socket, wanted):
    """The book and the team of the messages that tell the state that is wanted."""
    heard = {}
    while len(heard) < 2:
        message = json.loads((await socket.receive_output(timeout=60))["text"])
        data = message.get("data", {})
        if message.get("kind") != risk_services.LIVE_CHANGED:
            continue
        if message["topic"] == "risk" and data["digest"] == wanted["digest"]:
            heard["team"] = data["groups"][0]["figures"]
        elif data.get("book", {}).get("digest") == wanted["books"][0]["digest"]:
            heard["book"] = data["book"]
    return heard


async def test_a_change_reaches_the_browser_and_equals_the_resync(alone, team):
    from quantsite.asgi import application

    account = await sync_to_async(account_on)(alone, team, clock.now())
    await sync_to_async(order)(team, account, clock.now())
    socket = socket_of(application, await sync_to_async(people.make_client)(team, "viewer"))
    await socket.open()
    for topic in (f"account.{account.pk}", "risk"):
        await socket.ask(op="subscribe", topic=topic)
    stop = threading.Event()
    thread = risk_services.start_teller(clock=clock.now, stop=stop)
    try:
        await sync_to_async(trading.advance)(alone, clock.now(), bars=2)
        wanted = await sync_to_async(risk.live_state)(team_id=team.pk)
        heard = await told_of(socket, wanted)
    finally:
        stop.set()
        await asyncio.to_thread(thread.join, 60)
        await socket.leave()
    assert money(heard["book"]) == pytest.approx(money(wanted["books"][0]), rel=1e-12)
    again = wanted["groups"][0]["figures"]
    assert money(heard["team"]) == pytest.approx(money(again), rel=1e-12)


def test_after_a_start_everything_is_told(alone, team):
    account_on(alone, team, clock.now())
    live.client().delete(health.CHANGED)
    waits = []
    one = risk_services.Teller(clock.now, waits.append)
    assert one.turn() > 0
    assert one.turns == 1
    assert noted(team) == []
    assert health.last_told()["teams"] >= 1
