"""The engine's rules on cases computed by hand."""

import numpy as np
import pytest

from apps.backtests.kernel import engine
from apps.core.errors import Invalid
from tests.unit.backtests.panels import panel_of, targets_of

NAN = np.nan


def test_decision_fills_at_the_next_open():
    panel = panel_of([10, 20, 40], [15, 30, 50])
    result = engine.run(panel, targets_of(1, None, None), cash=1000.0)
    # 1000 / 20 = 50 units at the open of bar 1.
    assert result.equity.tolist() == [1000, 50 * 30, 50 * 50]
    assert result.cash.tolist() == [1000, 0, 0]
    assert (result.fills.bar.tolist(), result.fills.price.tolist()) == ([1], [20])
    assert result.returns.tolist() == [0.5, 50 / 30 - 1]


@pytest.mark.parametrize(("fill", "bar", "price"), [("next_close", 1, 30), ("close", 0, 15)])
def test_other_fill_rules(fill, bar, price):
    panel = panel_of([10, 20, 40], [15, 30, 50])
    result = engine.run(panel, targets_of(1, None, None), cash=900.0, fill=fill)
    assert (result.fills.bar.tolist(), result.fills.price.tolist()) == ([bar], [price])
    assert result.equity[-1] == pytest.approx(900 / price * 50)


def test_last_decision_never_fills():
    result = engine.run(panel_of([10, 11]), targets_of(None, 1), cash=100.0)
    assert len(result.fills) == 0


def test_all_cash_including_the_fee_and_the_slippage():
    panel = panel_of([100, 100, 100], [100, 100, 110])
    targets = targets_of(1, None, None)
    result = engine.run(panel, targets, cash=10_000.0, fee_bps=10, slippage_bps=20)
    price = 100 * 1.002
    quantity = 10_000 / (price * 1.001)
    assert result.fills.quantity[0] == pytest.approx(quantity, rel=1e-14)
    assert result.fills.price[0] == pytest.approx(price)
    assert result.fills.fee[0] == pytest.approx(quantity * price * 0.001)
    assert result.cash[-1] == pytest.approx(0, abs=1e-9)
    assert result.equity[-1] == pytest.approx(quantity * 110)


def test_sale_gets_the_worse_price_and_pays_the_fee():
    panel = panel_of([100, 100, 100])
    targets = targets_of(1, 0, None)
    result = engine.run(panel, targets, cash=10_000.0, fee_bps=10, slippage_bps=20)
    quantity = 10_000 / (100.2 * 1.001)
    assert result.cash[-1] == pytest.approx(quantity * 99.8 * 0.999)
    assert result.trades.pnl.sum() == pytest.approx(result.equity[-1] - 10_000)


def test_flip_from_long_to_short_sizes_what_costs_leave():
    # 100 units long at 10; at 12 equity is 1200. The flip sells 100 + q at 1 % cost in all:
    # x = 1200 - (1200 + x) * 0.01 with q = x / 12, so x = 1188 / 1.01.
    panel = panel_of([10, 10, 12, 12])
    result = engine.run(panel, targets_of(1, -1, None, None), cash=1000.0)
    assert result.positions[-1, 0] == -100
    assert result.cash[-1] == 2400
    costly = engine.run(panel, targets_of(1, -1, None, None), cash=1010.0, fee_bps=100)
    assert costly.positions[1, 0] == pytest.approx(100)
    left = 1188 / 1.01
    assert costly.equity[2] == pytest.approx(left)
    assert costly.positions[2, 0] == pytest.approx(-left / 12)


def test_whole_units_are_cut_toward_zero():
    panel = panel_of([7, 7, 7])
    long_run = engine.run(panel, targets_of(1, None, None), cash=100.0, units="whole")
    short_run = engine.run(panel, targets_of(-1, None, None), cash=100.0, units="whole")
    assert (long_run.positions[-1, 0], long_run.cash[-1]) == (14, 2)
    assert (short_run.positions[-1, 0], short_run.cash[-1]) == (-14, 198)


def test_whole_units_do_not_lose_one_to_rounding():
    # 1001 pays exactly 100 units at 10 with 10 bps; binary fractions must not make it 99.
    panel = panel_of([10, 10])
    result = engine.run(panel, targets_of(1, None), cash=1001.0, fee_bps=10, units="whole")
    assert result.positions[-1, 0] == 100
    assert result.cash[-1] == pytest.approx(0, abs=1e-9)


def test_nan_cell_leaves_that_asset_be():
    panel = panel_of([[10, 10], [10, 10], [20, 10], [20, 10]])
    targets = targets_of([0.5, 0.5], [NAN, 0.0], None, None)
    result = engine.run(panel, targets, cash=1000.0)
    assert result.positions.tolist() == [[0, 0], [50, 50], [50, 0], [50, 0]]
    assert result.equity[-1] == 1500


def test_asset_without_a_bar_waits_and_is_marked_at_its_last_close():
    open_ = [[10, 10], [10, NAN], [10, NAN], [10, 20]]
    panel = panel_of(open_)
    result = engine.run(panel, targets_of([0.5, 0.5], None, None, None), cash=1000.0)
    assert result.fills.bar.tolist() == [1, 3]
    assert result.positions[-1].tolist() == [50, 25]


def test_missing_bar_keeps_the_last_mark():
    panel = panel_of([10, 10, NAN, 12])
    result = engine.run(panel, targets_of(1, None, None, None), cash=1000.0)
    assert result.equity.tolist() == [1000, 1000, 1000, 1200]


def test_halted_asset_does_not_make_the_others_borrow():
    # B can't be sold at bar 2, so there is no cash to buy A with.
    open_ = [[10, 10], [10, 10], [10, NAN], [10, 10]]
    targets = targets_of([0.2, 0.8], [1.0, 0.0], None, None)
    result = engine.run(panel_of(open_), targets, cash=1000.0)
    assert result.cash.min() == 0
    assert result.positions[2].tolist() == [20, 80]


def test_leverage_is_given_when_asked_for():
    result = engine.run(panel_of([10, 10, 11]), targets_of(2, None, None), cash=1000.0)
    assert result.cash[-1] == -1000
    assert result.equity[-1] == 1200
    assert result.exposure[1] == 2


def test_ruin_closes_everything_and_trades_no_more():
    panel = panel_of([10, 10, 10, 25, 25, 25], [10, 10, 21, 25, 25, 25])
    result = engine.run(panel, targets_of(-1, None, None, None, 1, None), cash=1000.0)
    assert result.equity[2] < 0
    assert result.positions[3, 0] == 0
    assert len(result.fills) == 2


def test_round_trips_are_first_in_first_out():
    panel = panel_of([10, 10, 20, 40, 40])
    result = engine.run(panel, targets_of(0.5, 1, 0.25, 0, None), cash=1000.0)
    trades = result.trades
    # 50 bought at 10, 25 more at 20 (equity 1500); at 40 equity is 3000: 56.25 sold, then
    # the rest.
    assert trades.entry_bar.tolist() == [1, 2, 2]
    assert trades.size.tolist() == [50, 6.25, 18.75]
    assert trades.pnl.tolist() == [1500, 125, 375]
    assert not trades.is_open.any()


def test_open_position_is_a_trade_marked_at_the_last_close():
    trades = engine.run(panel_of([10, 10, 15]), targets_of(1, None, None), cash=100.0).trades
    assert (trades.is_open.tolist(), trades.exit_price.tolist()) == ([True], [15])
    assert trades.returns.tolist() == [0.5]


def test_finalize_closes_at_the_last_open():
    panel = panel_of([10, 10, 12], [10, 11, 15])
    result = engine.run(panel, targets_of(1, None, None), cash=100.0, finalize=True)
    assert result.equity.tolist() == [100, 110, 120]
    assert not result.trades.is_open.any()


def test_same_inputs_give_the_same_digest():
    panel, targets = panel_of([10, 11, 12]), targets_of(1, None, 0)
    one, two = (engine.run(panel, targets, cash=100.0).digest for _ in range(2))
    assert one == two
    assert one != engine.run(panel, targets, cash=101.0).digest


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cash": 0.0}, "positive amount"),
        ({"cash": NAN}, "positive amount"),
        ({"fee_bps": -1.0}, "0 to 1000"),
        ({"slippage_bps": NAN}, "0 to 1000"),
        ({"fill": "yesterday"}, "next_open"),
        ({"units": "halves"}, "fractional, whole"),
    ],
)
def test_bad_terms_are_refused_with_what_to_do(change, words):
    with pytest.raises(Invalid, match=words):
        engine.run(panel_of([1, 2]), targets_of(1, 1), **({"cash": 1.0} | change))


def test_bad_targets_are_refused():
    with pytest.raises(Invalid, match="shaped"):
        engine.run(panel_of([1, 2, 3]), targets_of(1, 1), cash=1.0)
    with pytest.raises(Invalid, match="infinite"):
        engine.run(panel_of([1, 2]), targets_of(1, np.inf), cash=1.0)
