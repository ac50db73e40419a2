"""The live page and what is posted from it."""

from decimal import Decimal

import pytest

from apps.approvals.models import Proposal
from apps.core import clock
from apps.core.actors import system
from apps.trading import services
from apps.trading.models import Account, Deployment, Halt, Order
from tests.factories import people, signing, trading

pytestmark = pytest.mark.django_db


@pytest.fixture
def feed(sample, db, now):
    return trading.make_feed(now)


@pytest.fixture
def account(feed, team, now):
    return trading.make_account(team, now)


def test_without_an_account_the_page_offers_to_open_one(feed, team, client_as):
    trader = client_as("trader")
    assert "Open the account" in trader.get("/live/").content.decode()
    body = {"name": "Two", "cash": "5000", "feed": feed.name, "fee_bps": "1", "slippage_bps": "1"}
    answer = trader.post("/live/accounts/", body, follow=True)
    assert "Two" in answer.content.decode()
    assert Account.objects.get(team=team).cash == Decimal(5000)


def test_the_page_shows_the_account_whole(account, feed, team, now, client_as):
    version = trading.make_version(team, now, "buy_and_hold")
    services.deploy(
        actor=system("tests", team.pk),
        version_id=version.id,
        account_id=account.pk,
        allocation=Decimal(50_000),
        now=now,
    )
    trading.advance(feed, now, bars=3)
    answer = client_as("trader").get("/live/", follow=True)
    page = answer.content.decode()
    assert answer.status_code == 200
    for words in ("Buy and hold v1", "is-paper", "AAPL", "filled", "Halt Paper", "Equity"):
        assert words in page
    viewer = client_as("viewer").get(f"/live/{account.pk}/").content.decode()
    assert "Halt Paper" not in viewer
    assert "Place market order" not in viewer


def test_deploy_halt_resume_stop_in_the_browser(account, feed, team, now, client_as):
    version = trading.make_version(team, now, "buy_and_hold")
    trader, home = client_as("trader"), f"/live/{account.pk}/"
    body = {"version_id": version.id, "allocation": "10000", "symbols": "AAPL, MSFT"}
    page = trader.post(f"{home}deploy/", body, follow=True).content.decode()
    assert "Deployed" in page
    deployment = Deployment.objects.get(team=team)
    assert sorted(deployment.symbols) == ["AAPL", "MSFT"]
    scope = f"deployment:{deployment.pk}"
    trader.post(f"{home}halt/", {"scope": scope, "reason": "looks wrong"}, follow=True)
    assert Halt.objects.get(scope=scope).is_halted
    page = trader.post(f"{home}resume/", {"scope": scope, "reason": ""}, follow=True)
    assert "reason" in page.content.decode()
    trader.post(f"{home}resume/", {"scope": scope, "reason": "was a false alarm"})
    assert Halt.objects.get(scope=scope).is_halted, "nobody resumes alone"
    proposed = Proposal.objects.get(team=team, kind="resume")
    signing.decide(people.make_actor(team, "risk_manager"), proposed, clock.now())
    assert not Halt.objects.get(scope=scope).is_halted
    trader.post(f"{home}deployments/{deployment.pk}/stop/")
    deployment.refresh_from_db()
    assert deployment.status == "stopped"


def test_an_order_that_the_guard_refuses_says_why(account, feed, team, now, client_as):
    trading.advance(feed, now, bars=1)
    body = {"side": "buy", "quantity": "100000", "symbol": "AAPL"}
    page = client_as("trader").post(f"/live/{account.pk}/order/", body, follow=True)
    assert "Refused" in page.content.decode()
    assert Order.objects.get(team=team).state == "refused"


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        ("researcher", "deploy/", 403),
        ("viewer", "halt/", 403),
        ("risk_manager", "order/", 403),
        ("validator", "resume/", 403),
    ],
)
def test_the_wrong_role_may_not(account, client_as, role, path, status):
    body = {"scope": f"account:{account.pk}", "reason": "because"}
    assert client_as(role).post(f"/live/{account.pk}/{path}", body).status_code == status


def test_another_team_s_account_is_not_found(account, other_team, client_as):
    stranger = client_as("trader", of=other_team)
    assert stranger.get(f"/live/{account.pk}/").status_code == 404
