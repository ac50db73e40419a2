"""REST of trading and risk: accounts, deployments, orders, halts, limits, reports."""

from decimal import Decimal

import numpy as np
import pytest

from apps.core.actors import system
from apps.risk.kernel.expected_shortfall import expected_shortfall
from apps.risk.kernel.value_at_risk import value_at_risk
from apps.strategies import services as strategies
from apps.trading import services
from tests.factories import signing, trading

pytestmark = pytest.mark.django_db
V1 = "/api/v1"


@pytest.fixture
def feed(sample, db, now):
    return trading.make_feed(now)


@pytest.fixture
def account(feed, team, now):
    made = trading.make_account(team, now)
    trading.advance(feed, now, bars=1)
    made.refresh_from_db()
    return made


def post(client, path, body, **headers):
    return client.post(f"{V1}{path}", body, content_type="application/json", headers=headers)


def order_body(account, **changes):
    body = {"account_id": account.pk, "symbol": "AAPL", "side": "buy", "quantity": "10"}
    return {**body, **changes}


def test_open_an_account(feed, api_as):
    trader = api_as("trader")
    body = {"name": "Mine", "cash": "25000.50", "feed": feed.name}
    made = post(trader, "/accounts", body)
    assert made.status_code == 201
    assert Decimal(made.json()["cash"]) == Decimal("25000.50")
    assert trader.get(f"{V1}/accounts").json()["items"][0]["name"] == "Mine"
    assert post(trader, "/accounts", body).json()["code"] == "account.name_taken"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cash": "0"}, "invalid.fields"),
        ({"cash": "NaN"}, "invalid.fields"),
        ({"feed": "nope"}, "feed.unknown"),
        ({"broker": "nope"}, "plug.unknown"),
        ({"currency": "dollar"}, "account.currency"),
        ({"units": "half"}, "units.unknown"),
        ({"name": "   "}, "account.name"),
    ],
)
def test_a_bad_account_is_refused(feed, api_as, changes, code):
    body = {"name": "Mine", "cash": "25000", "feed": feed.name, **changes}
    assert post(api_as("trader"), "/accounts", body).json()["code"] == code


def test_deploy_wants_an_approval(account, team, now, api_as):
    version = trading.make_version(team, now, "buy_and_hold", approve=False)
    body = {"version_id": version.id, "account_id": account.pk, "allocation": "1000"}
    answer = post(api_as("trader"), "/deployments", body)
    assert answer.status_code == 409
    assert answer.json()["code"] == "deploy.not_approved"
    assert "Propose its promotion" in answer.json()["detail"]


def test_a_retired_version_is_not_deployed_on_its_old_approval(account, team, now, api_as):
    version = trading.make_version(team, now, "buy_and_hold")
    strategies.set_stage(
        actor=system("tests", team.pk), version_id=version.id, stage="retired", now=now
    )
    body = {"version_id": version.id, "account_id": account.pk, "allocation": "1000"}
    answer = post(api_as("trader"), "/deployments", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "deploy.retired")


def test_a_version_whose_code_has_changed_is_not_deployed(account, team, now, api_as, monkeypatch):
    from apps.trading.selectors import deployable

    version = trading.make_version(team, now, "buy_and_hold")
    monkeypatch.setattr(deployable.strategies, "source_digest_of", lambda *_: "f" * 64)
    body = {"version_id": version.id, "account_id": account.pk, "allocation": "1000"}
    answer = post(api_as("trader"), "/deployments", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "deploy.changed")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"allocation": "1000000"}, 409, "deploy.cash"),
        ({"allocation": "99"}, 422, "deploy.allocation"),
        ({"symbols": ["NOPE"]}, 422, "deploy.symbols"),
        ({"version_id": 10**6}, 404, "version.not_found"),
        ({"account_id": 10**6}, 404, "account.not_found"),
    ],
)
def test_a_bad_deployment_is_refused(account, team, now, api_as, changes, status, code):
    version = trading.make_version(team, now, "buy_and_hold")
    body = {"version_id": version.id, "account_id": account.pk, "allocation": "1000", **changes}
    answer = post(api_as("trader"), "/deployments", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def resume_by_two(trader, manager, scope):
    """Ask for the end of a halt, which only the second person may agree to."""
    again = {"scope": scope, "reason": "The test is done."}
    asked = post(trader, "/halts/resume", again)
    assert (asked.status_code, asked.json()["is_halted"]) == (202, True)
    shown = trader.get(f"{V1}/proposals/{asked.json()['proposal_id']}").json()
    place = f"/proposals/{shown['id']}/decisions"
    assert post(trader, place, signing.vote(trader.actor, shown)).status_code == 403
    decided = post(manager, place, signing.vote(manager.actor, shown)).json()
    assert decided["status"] == "approved"


def test_deploy_trade_halt_resume_stop(account, feed, team, now, api_as):
    version = trading.make_version(team, now, "buy_and_hold")
    trader = api_as("trader")
    assert [v["id"] for v in trader.get(f"{V1}/deployable").json()] == [version.id]
    body = {"version_id": version.id, "account_id": account.pk, "allocation": "50000"}
    made = post(trader, "/deployments", body)
    assert made.status_code == 201
    number = made.json()["id"]
    assert post(trader, "/deployments", body).json()["code"] == "deploy.runs_already"
    trading.advance(feed, now, bars=2)
    orders = trader.get(f"{V1}/orders?state=filled&limit=200").json()["items"]
    assert len(orders) > 50
    assert len(trader.get(f"{V1}/positions?limit=200").json()["items"]) == len(orders)
    assert len(trader.get(f"{V1}/fills?limit=200").json()["items"]) == len(orders)
    curve = trader.get(f"{V1}/accounts/{account.pk}/equity?deployment_id={number}").json()
    assert len(curve["equity"]) == 2
    figure = trader.get(f"{V1}/accounts/{account.pk}/figures/equity").json()
    assert figure["data"][0]["name"] == "Equity"
    halted = post(trader, "/halts", {"scope": f"account:{account.pk}", "reason": "testing"})
    assert halted.status_code == 201
    assert trader.get(f"{V1}/deployments/{number}").json()["status"] == "halted"
    assert trader.get(f"{V1}/halts?halted_only=true").json()["items"][0]["reason"] == "testing"
    refused = post(trader, "/orders", order_body(account))
    assert "limit.halted" in str(refused.json()["errors"])
    resume_by_two(trader, api_as("risk_manager"), f"account:{account.pk}")
    assert trader.get(f"{V1}/deployments/{number}").json()["status"] == "running"
    stopped = post(trader, f"/deployments/{number}/stop", {"reason": "enough"})
    assert stopped.json()["status"] == "stopped"


def test_an_order_by_hand_fills_at_the_next_open_with_costs(account, feed, team, now, api_as):
    from apps.market.services import advance_feed

    trader = api_as("trader")
    made = post(trader, "/orders", order_body(account, client_id="mine-1"))
    assert made.status_code == 201
    assert made.json()["state"] == "accepted"
    batch = advance_feed(session_id=feed.pk, now=now)
    services.step_deployments(batch=batch, now=now)
    order = trader.get(f"{V1}/orders/{made.json()['id']}").json()
    opened = float(batch.open[batch.symbols.index("AAPL")])
    assert order["state"] == "filled"
    assert float(order["average_price"]) == pytest.approx(opened * 1.0002, abs=1e-7)
    assert float(order["fees"]) == pytest.approx(10 * opened * 1.0002 * 5e-4, abs=1e-7)
    shown = trader.get(f"{V1}/accounts/{account.pk}/snapshot").json()
    spent = 10 * opened * 1.0002 * (1 + 5e-4)
    assert float(shown["account"]["cash"]) == pytest.approx(100_000 - spent, abs=1e-6)
    assert shown["positions"][0]["symbol"] == "AAPL"
    again = post(trader, "/orders", order_body(account, client_id="mine-1"))
    assert (again.status_code, again.json()["code"]) == (409, "order.duplicate")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"quantity": "1000000"}, 422, "order.refused"),
        ({"quantity": "0"}, 422, "order.quantity"),
        ({"quantity": "-5"}, 422, "order.quantity"),
        ({"side": "hold"}, 422, "order.side"),
        ({"kind": "limit"}, 422, "order.kind"),
        ({"symbol": "NOPE"}, 422, "order.symbol"),
        ({"account_id": 10**6}, 404, "account.not_found"),
    ],
)
def test_a_bad_order_is_refused(account, api_as, changes, status, code):
    answer = post(api_as("trader"), "/orders", order_body(account, **changes))
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_refusal_tells_every_reason_and_is_kept(account, api_as):
    trader = api_as("trader")
    answer = post(trader, "/orders", order_body(account, quantity="1000000")).json()
    codes = {reason["code"] for reason in answer["errors"][0]["refusals"]}
    assert {"limit.position_share", "limit.exposure", "order.cash"} <= codes
    kept = trader.get(f"{V1}/orders?state=refused").json()["items"]
    assert {reason["code"] for reason in kept[0]["reasons"]} == codes
    breaches = trader.get(f"{V1}/risk/breaches").json()["items"]
    assert {row["code"] for row in breaches} == codes


def test_an_order_is_taken_back(account, api_as):
    trader = api_as("trader")
    made = post(trader, "/orders", order_body(account)).json()
    assert post(trader, f"/orders/{made['id']}/cancel", {}).json()["state"] == "cancelled"
    again = post(trader, f"/orders/{made['id']}/cancel", {})
    assert (again.status_code, again.json()["code"]) == (409, "order.over")


@pytest.mark.parametrize(
    ("role", "path", "body"),
    [
        ("researcher", "/deployments", {"version_id": 1, "account_id": 1, "allocation": "1000"}),
        (
            "risk_manager",
            "/orders",
            {"account_id": 1, "symbol": "A", "side": "buy", "quantity": 1},
        ),
        ("viewer", "/halts", {"scope": "team", "reason": "testing"}),
        ("validator", "/halts/resume", {"scope": "team", "reason": "testing"}),
        ("viewer", "/accounts", {"name": "A", "cash": 1, "feed": "f"}),
    ],
)
def test_the_wrong_role_is_denied(team, api_as, role, path, body):
    assert post(api_as(role), path, body).status_code == 403


def test_nothing_of_another_team_is_found(account, feed, team, other_team, now, api_as):
    version = trading.make_version(team, now, "buy_and_hold")
    lab = system("tests", team.pk)
    row = services.deploy(
        actor=lab,
        version_id=version.id,
        account_id=account.pk,
        allocation=Decimal(1000),
        now=now,
    )
    order = post(api_as("trader"), "/orders", order_body(account)).json()
    stranger = api_as("trader", of=other_team)
    for path in (
        f"/accounts/{account.pk}",
        f"/accounts/{account.pk}/snapshot",
        f"/accounts/{account.pk}/equity",
        f"/deployments/{row.pk}",
        f"/orders/{order['id']}",
    ):
        assert stranger.get(f"{V1}{path}").status_code == 404
    assert post(stranger, "/orders", order_body(account)).status_code == 404
    assert post(stranger, f"/orders/{order['id']}/cancel", {}).status_code == 404
    assert post(stranger, f"/deployments/{row.pk}/stop", {}).status_code == 404
    for path in ("/accounts", "/deployments", "/orders", "/positions", "/fills", "/risk"):
        assert stranger.get(f"{V1}{path}").json()["items"] == []


def test_limits_are_versions_set_by_risk_managers(account, team, api_as):
    manager = api_as("risk_manager")
    subject = f"account:{account.pk}"
    body = {
        "subject": subject,
        "base": "default",
        "values": {"max_position_value": 50, "restricted": ["MSFT"]},
        "reason": "small beginnings",
    }
    put = manager.put(f"{V1}/risk/limits", body, content_type="application/json")
    assert put.status_code == 200
    assert put.json()["version"] == 2
    trader = api_as("trader")
    refused = post(trader, "/orders", order_body(account)).json()
    assert "limit.position_value" in str(refused["errors"])
    versions = trader.get(f"{V1}/risk/limits/versions?subject={subject}").json()["items"]
    assert [row["version"] for row in versions] == [2, 1]
    assert (
        trader.put(f"{V1}/risk/limits", body, content_type="application/json").status_code == 403
    )
    body["values"] = {"max_cake": 1}
    bad = manager.put(f"{V1}/risk/limits", body, content_type="application/json")
    assert bad.json()["code"] == "limits.unknown"


def test_a_report_of_returns_equals_the_kernels(team, api_as):
    returns = np.random.default_rng(5).normal(0, 0.01, 250).tolist()
    body = {"returns": {"A": returns, "B": returns[::-1]}, "weights": {"A": 0.5, "B": 0.5}}
    made = post(api_as("viewer"), "/risk", body)
    assert made.status_code == 201
    assert set(made.json()["columns"]) == {"A", "B", "portfolio"}
    for row in made.json()["columns"]["A"]["measures"]:
        assert row["var"] == value_at_risk(returns, row["level"], row["method"])
        assert row["es"] == expected_shortfall(returns, row["level"], row["method"])
    again = api_as("viewer").get(f"{V1}/risk/{made.json()['id']}").json()
    assert again["columns"] == made.json()["columns"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"returns": {"A": [0.01]}}, "risk.too_few"),
        ({"returns": {"A": []}}, "risk.empty"),
        ({"returns": {}}, "risk.columns"),
        ({"returns": {"A": [0.01, 0.02]}, "methods": ["crystal_ball"]}, "risk.method"),
        ({"returns": {"A": [0.01, 0.02]}, "levels": [95]}, "risk.level"),
        ({"returns": {"A": [0.01, 0.02]}, "weights": {"B": 1}}, "risk.weights"),
    ],
)
def test_bad_returns_are_refused(team, api_as, body, code):
    assert post(api_as("viewer"), "/risk", body).json()["code"] == code


def test_an_account_s_returns_are_measured(account, feed, team, now, api_as):
    viewer = api_as("viewer")
    few = post(viewer, f"/risk/accounts/{account.pk}", {})
    assert few.json()["code"] == "risk.empty"
    trading.advance(feed, now, bars=4)
    body = post(viewer, f"/risk/accounts/{account.pk}", {"methods": ["historical"]}).json()
    assert body["columns"]["account"]["observations"] == 4
    bare = post(viewer, f"/risk/accounts/{account.pk}", {"liquidity": {}})
    assert (bare.status_code, bare.json()["code"]) == (422, "risk.empty"), "nothing is held"


def test_the_risk_page_shows_the_book(account, feed, team, now, client_as):
    version = trading.make_version(team, now, "buy_and_hold")
    services.deploy(
        actor=system("tests", team.pk),
        version_id=version.id,
        account_id=account.pk,
        allocation=Decimal(50_000),
        now=now,
    )
    trading.advance(feed, now, bars=2)
    trading.advance(feed, now.replace(year=now.year + 1), bars=1)
    manager = client_as("risk_manager")
    page = manager.get("/risk/").content.decode()
    for words in ("Paper", "historical", "Gross exposure", "ES 99 %", "Limits in use"):
        assert words in page
    subject = f"account:{account.pk}"
    measured = manager.get(f"/risk/parts/measures/?subject={subject}").content.decode()
    for words in ("gaussian", "Standard error", "in force"):
        assert words in measured
    assert "Set as a new version" in manager.get("/risk/limits/").content.decode()
    body = {"subject": "", "reason": "Wider, for the test."}
    body |= {"max_position_value": "500", "restricted": "MSFT"}
    answer = manager.post("/risk/limits/set/", body, follow=True)
    assert "Wider limits wait for a decision" in answer.content.decode()
    assert client_as("trader").post("/risk/limits/set/", body).status_code == 403
