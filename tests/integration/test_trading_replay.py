"""A replayed deployment against the backtest of the same version, costs and dates."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from apps.backtests.kernel import engine
from apps.backtests.kernel.feeding import fed, inputs_of
from apps.core.actors import system
from apps.market import services as market
from apps.market.kernel.periods import micros
from apps.market.selectors import feed_state, read_panel
from apps.strategies.selectors import get_strategy
from apps.trading import selectors, services, store
from apps.trading.kernel.sleeves import part_of
from apps.trading.models import Account, Deployment, Fill, Order, Position
from apps.trading.selectors import windows
from apps.trading.selectors.accounts import terms_of
from apps.trading.services import stepping
from tests.factories import trading

pytestmark = pytest.mark.django_db
CENT = 0.005
BARS = 45


@pytest.fixture
def feed(sample, db, now):
    return trading.make_feed(now)


def deploy(team, now, strategy, params, *, terms=None, **options):
    version = trading.make_version(team, now, strategy, params)
    account = trading.make_account(team, now, **(terms or {}))
    return services.deploy(
        actor=system("tests", team.pk),
        version_id=version.id,
        account_id=account.pk,
        allocation=Decimal(80_000),
        now=now,
        **options,
    )


def backtest(deployment, first, last):
    """Play the same decisions through the engine's event gear, all at once."""
    feed = feed_state(deployment.feed)
    account = deployment.account
    terms = terms_of(account)
    panel = read_panel(
        team_id=None,
        timeframe=feed.timeframe,
        start=deployment.history_from,
        end=last,
        instruments=feed.symbols,
        price_mode=feed.price_mode,
        dataset=feed.dataset,
        inputs=inputs_of(feed.price_mode, funding=terms.costs.funding),
    )
    seen = part_of(fed(panel), deployment.symbols, micros(deployment.history_from))
    start = int(np.searchsorted(seen.ts, micros(first), side="right"))
    plug = get_strategy(deployment.strategy)
    features = plug.prepare(seen, deployment.params)
    cut = {name: array[start:] for name, array in features.items()}
    result = engine.run_events(
        seen.rows(start, seen.n_bars),
        cut,
        lambda view: plug.decide(view, deployment.params),
        cash=float(deployment.allocation),
        costs=terms.costs,
        execution=terms.execution,
        units=account.units,
        full=True,
    )
    return seen.rows(start, seen.n_bars), result


@pytest.mark.parametrize(
    ("strategy", "params", "options"),
    [
        ("momentum_12_1", {"top": 10, "rebalance": "weekly", "lookback": 120, "skip": 10}, {}),
        ("buy_and_hold", {}, {}),
        (
            "sma_crossover",
            {"fast": 5, "slow": 20, "short": True},
            {"symbols": ["AAPL"]},
        ),
    ],
)
def test_a_replayed_deployment_equals_a_backtest_to_the_cent(
    feed, team, now, strategy, params, options
):
    deployment = deploy(team, now, strategy, params, **options)
    compare(deployment, feed, now, BARS)


STOCK_TERMS = {
    "costs": {
        "per_unit": 0.005,
        "spread_bps": 4.0,
        "impact_bps": 30.0,
        "borrow_bps": 300.0,
        "interest_bps": 500.0,
        "schedule": [{"start": "2009-01-01", "fee_bps": 4.0, "maker_bps": 1.0}],
    },
    "execution": {"participation": 0.01, "trailing_stop": 0.08, "lot": 1.0, "tick": 0.01},
}
SIX = ["AAPL", "AMZN", "GE", "JPM", "MSFT", "XOM"]


def test_costs_orders_and_protection_are_those_of_a_backtest_to_the_cent(feed, team, now):
    params = {"entry": 4, "exit": 3, "atr_period": 5, "stop": 1.0, "protect": True}
    deployment = deploy(team, now, "donchian_breakout", params, terms=STOCK_TERMS, symbols=SIX)
    compare(deployment, feed, now, 60)
    orders = Order.objects.filter(deployment=deployment)
    kinds = dict.fromkeys(orders.filter(state="filled").values_list("kind", flat=True))
    assert {"target", "stop", "trailing"} <= kinds.keys()
    assert "borrowing" in deployment.state["accrued"]
    ended = orders.filter(kind="stop", state="cancelled")
    codes = {order.reasons[-1]["code"] for order in ended}
    assert "order.cancelled" in codes <= {"order.cancelled", "order.taken_off"}


@pytest.mark.store
def test_perpetuals_pay_funding_as_in_a_backtest_to_the_cent(sample, db, team, now):
    feed = trading.make_feed(now, universe="crypto-perps", skip=200)
    terms = {"costs": {"funding": True, "spread_bps": 2.0}, "execution": {"leverage": 2.0}}
    symbols = ["BTC", "ETH", "SOL"]
    names = [name for name in feed_state(feed.name).symbols if name in symbols]
    deployment = deploy(
        team, now, "donchian_breakout", {"entry": 8, "exit": 4}, terms=terms, symbols=names
    )
    compare(deployment, feed, now, 40)
    assert deployment.state["accrued"]["funding"] != 0.0


def test_a_session_taken_up_by_another_process_goes_on_to_the_cent(feed, team, now):
    """Nothing is kept in memory between bars; steps that are cut off leave nothing."""
    params = {"entry": 4, "exit": 3, "atr_period": 5, "stop": 1.0, "protect": True}
    deployment = deploy(team, now, "donchian_breakout", params, terms=STOCK_TERMS, symbols=SIX)
    first = feed.position_at
    for bar in range(24):
        batch = market.advance_feed(session_id=feed.pk, now=now)
        if bar % 3 == 0:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(store, "add_points", _die)
                with pytest.raises(KeyboardInterrupt):
                    services.step_deployments(batch=batch, now=now)
            windows._KEPT.clear()
    feed.refresh_from_db()
    services.catch_up(feed_name=feed.name, now=now)
    compare(deployment, feed, now, 24, first=first)


def _die(*_):
    raise KeyboardInterrupt


def compare(deployment, feed, now, bars, first=None):
    """Hand out the bars, unless it was done, and hold all that came of it against a backtest."""
    if first is None:
        first = feed.position_at
        trading.advance(feed, now, bars=bars)
    feed.refresh_from_db()
    deployment.refresh_from_db()
    panel, result = backtest(deployment, first, feed.position_at)
    curve = store.read_points(deployment.account_id, 1, deployment_id=deployment.pk)
    assert len(curve) == len(result.equity) == bars
    assert np.abs(curve.equity - result.equity).max() < CENT
    assert np.abs(curve.cash - result.cash).max() < CENT
    mine = Fill.objects.filter(deployment=deployment).order_by("bar_at", "symbol", "quantity")
    theirs = sorted(
        (trading.moment(panel.ts[bar]), panel.symbols[asset], q, p, f)
        for bar, asset, q, p, f in zip(
            result.fills.bar,
            result.fills.asset,
            result.fills.quantity,
            result.fills.price,
            result.fills.fee,
            strict=True,
        )
    )
    assert len(mine) == len(theirs) > 0
    for fill, (at, symbol, quantity, price, fee) in zip(mine, theirs, strict=True):
        assert (fill.bar_at, fill.symbol) == (at, symbol)
        assert float(fill.quantity * fill.price) == pytest.approx(quantity * price, abs=CENT)
        assert float(fill.fee) == pytest.approx(fee, abs=CENT)


def test_the_account_adds_up(feed, team, now):
    deployment = deploy(team, now, "buy_and_hold", {})
    trading.advance(feed, now, bars=5)
    account = Account.objects.get(pk=deployment.account_id)
    deployment.refresh_from_db()
    held = Position.objects.filter(account=account)
    value = sum(float(row.quantity * row.last_price) for row in held)
    assert account.cash == Decimal(20_000)
    assert account.equity == pytest.approx(20_000 + deployment.equity)
    cash = deployment.state["book"]["cash"]
    assert deployment.equity == pytest.approx(cash + value, abs=CENT)
    assert account.gross == pytest.approx(value, abs=CENT)
    total = store.read_points(account.pk, 1)
    assert len(total) == 5
    assert total.equity[-1] == pytest.approx(account.equity)


def test_stopping_hands_everything_over(feed, team, now):
    deployment = deploy(team, now, "buy_and_hold", {})
    trading.advance(feed, now, bars=3)
    before = Account.objects.get(pk=deployment.account_id)
    services.stop_deployment(
        actor=system("tests", team.pk), deployment_id=deployment.pk, now=now, reason="done"
    )
    trading.advance(feed, now, bars=1)
    after = Account.objects.get(pk=deployment.account_id)
    assert not Position.objects.filter(deployment=deployment).exists()
    assert Position.objects.filter(account=after, deployment=None).count() > 50
    assert after.equity == pytest.approx(before.equity, rel=0.05)
    held = Position.objects.filter(account=after)
    value = sum(float(row.quantity * row.last_price) for row in held)
    assert after.equity == pytest.approx(float(after.cash) + value, abs=CENT)


def test_a_step_is_taken_once(feed, team, now):
    deployment = deploy(team, now, "buy_and_hold", {})
    batch = market.advance_feed(session_id=feed.pk, now=now)
    first = services.step_deployments(batch=batch, now=now)
    again = services.step_deployments(batch=batch, now=now)
    assert (first.steps, again.steps) == (1, 0)
    orders = Order.objects.filter(deployment=deployment)
    assert orders.count() == len(set(orders.values_list("symbol", flat=True)))


@pytest.mark.store
def test_missed_bars_are_stepped_in_order(feed, team, now):
    deployment = deploy(team, now, "momentum_12_1", {"top": 5, "lookback": 60, "skip": 5})
    first = feed.position_at
    for _ in range(40):  # the stream died after the feed moved on
        market.advance_feed(session_id=feed.pk, now=now)
    stepped = services.catch_up(feed_name=feed.name, now=now)
    assert stepped.steps == 40
    feed.refresh_from_db()
    deployment.refresh_from_db()
    _, result = backtest(deployment, first, feed.position_at)
    curve = store.read_points(deployment.account_id, 1, deployment_id=deployment.pk)
    assert np.abs(curve.equity - result.equity).max() < CENT


def test_an_account_that_fails_leaves_the_others_and_the_feed_alone(
    feed, team, other_team, now, monkeypatch
):
    broken, sound = (deploy(of, now, "buy_and_hold", {}) for of in (team, other_team))
    step = stepping.step_account

    def fail_for_one(account, *args):
        if account.pk == broken.account_id:
            raise KeyError("AAPL")
        step(account, *args)

    monkeypatch.setattr(stepping, "step_account", fail_for_one)
    batch = market.advance_feed(session_id=feed.pk, now=now)
    stepped = services.step_deployments(batch=batch, now=now)
    assert (stepped.steps, stepped.failed) == (1, 1)
    monkeypatch.undo()
    batch = market.advance_feed(session_id=feed.pk, now=now)
    assert services.step_deployments(batch=batch, now=now).steps == 3
    counts = [
        len(store.read_points(row.account_id, 1, deployment_id=row.pk)) for row in (broken, sound)
    ]
    assert counts == [2, 2]


def test_a_stale_target_is_replaced_by_the_later_one(feed, team, now):
    deployment = deploy(team, now, "buy_and_hold", {}, symbols=["AAPL"])
    trading.advance(feed, now, bars=1)
    order = Order.objects.get(deployment=deployment, state="accepted")
    bar_at = order.bar_at - timedelta(days=1)
    stale = Order.objects.create(
        **{f.attname: getattr(order, f.attname) for f in Order._meta.fields if f.name != "id"}
        | {"client_id": "stale", "target_weight": -0.5, "bar_at": bar_at}
    )
    trading.advance(feed, now, bars=3)
    stale.refresh_from_db()
    assert (stale.state, stale.reasons[-1]["code"]) == ("cancelled", "order.replaced")
    assert list(Fill.objects.values_list("order_id", flat=True)) == [order.pk]


def test_a_feed_started_anew_ends_its_deployments_in_cash(feed, team, now):
    deployment = deploy(team, now, "buy_and_hold", {})
    trading.advance(feed, now, bars=3)
    equity = Account.objects.get(pk=deployment.account_id).equity
    market.restart_feed(actor=system("tests", team.pk), name=feed.name, now=now)
    trading.advance(feed, now, bars=2)
    account = Account.objects.get(pk=deployment.account_id)
    deployment.refresh_from_db()
    assert deployment.status == Deployment.Status.ENDED
    assert float(account.cash) == pytest.approx(equity, abs=1e-6)
    assert not Position.objects.filter(account=account).exists()
    assert len(store.read_points(account.pk, 2)) == 2


def test_the_snapshot_tells_the_whole(feed, team, now):
    deployment = deploy(team, now, "buy_and_hold", {})
    trading.advance(feed, now, bars=4)
    shown = selectors.account_snapshot(deployment.account_id, team.pk)
    assert shown["account"]["equity"] == pytest.approx(
        Account.objects.get(pk=deployment.account_id).equity
    )
    weights = sum(row["weight"] for row in shown["positions"])
    assert weights == pytest.approx(shown["account"]["exposure"])
    assert len(shown["positions"][0]["spark"]) == 30
    assert shown["deployments"][0]["status"] == "running"
    assert shown["orders"][0]["state"] == "filled"
