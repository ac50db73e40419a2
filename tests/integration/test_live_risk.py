"""Live risk on the replay: messages, resync, netting, what-if, the model in force."""

from decimal import Decimal

import pytest

from apps.core.actors import system
from apps.risk import selectors as risk
from apps.trading import services
from tests.factories import trading

SYMBOLS = ["AAPL", "MSFT", "XOM"]


@pytest.fixture
def feed(sample, db, now):
    return trading.make_feed(now, name="live-risk-feed")


def buy(team, account, now, symbol="AAPL", quantity=10, side="buy"):
    lab = system("tests", team.pk)
    return services.place_order(
        actor=lab,
        account_id=account.pk,
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        now=now,
    )


def test_the_state_of_an_account(feed, team, now):
    account = trading.make_account(team, now, feed=feed.name)
    trading.advance(feed, now)
    empty = risk.live_state(team_id=team.pk)
    assert (empty["books"][0]["code"], empty["books"][0]["gross"]) == ("risk.empty", 0.0)
    buy(team, account, now)
    trading.advance(feed, now)
    book = risk.live_state(team_id=team.pk)["books"][0]
    assert (book["model"], book["observations"], book["covered"]) == ("historical", 250, 1.0)
    assert book["gross"] == pytest.approx(10 * book["parts"][0]["price"], rel=1e-12)
