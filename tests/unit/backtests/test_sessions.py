"""Every cost, order and accrual of the full loop on cases computed by hand."""

from dataclasses import replace

import numpy as np
import pytest

from apps.backtests.kernel import engine
from apps.backtests.kernel.costs import Costs, FeeTier
from apps.backtests.kernel.execution import Execution
from apps.backtests.kernel.sessions import ORDER_STATES
from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.orders import Intents, Order
from tests.unit.backtests.panels import DAY, targets_of

NAN = np.nan


def bars(*rows, price_mode="raw", **extras):
    """One instrument from rows of open, high, low, close and, if given, volume."""
    table = np.array([[*row, 1e9][:5] for row in rows], float)
    columns = [table[:, [k]] for k in range(5)]
    extras = {name: np.array(values, float)[:, None] for name, values in extras.items()}
    ts = np.arange(len(rows), dtype=np.int64) * DAY
    return Panel(("X",), ts, *columns, "1d", price_mode=price_mode, extras=extras)


def flat(*prices, **extras):
    return bars(*[(p, p, p, p) for p in prices], **extras)


def play(panel, *rows, cash=1000.0, **terms):
    return engine.run(panel, targets_of(*rows), cash=cash, full=True, **terms)


def play_orders(panel, *orders, cash=1000.0, **terms):
    none = np.full(panel.close.shape, NAN)
    return engine.run(panel, none, cash=cash, orders=orders, **terms)


def states(result):
    return [ORDER_STATES[int(row[6])] for row in result.played.orders]


def fills(result):
    found = result.fills
    return [
        (int(b), float(q), float(p))
        for b, q, p in zip(found.bar, found.quantity, found.price, strict=True)
    ]


# Costs


def test_half_the_spread_and_a_fee_per_unit():
    # Bought at 100 · 1.001; each unit costs 0.5 more: 1001.0 + 5 = 10 · (100.1 + 0.5).
    result = play(
        flat(100, 100, 100), 1, None, None, cash=1006.0, costs=Costs(spread_bps=20, per_unit=0.5)
    )
    assert fills(result)[0] == pytest.approx((1, 10.0, 100.1))
    assert result.cash[-1] == pytest.approx(0.0, abs=1e-9)
    assert result.fills.fee[0] == pytest.approx(5.0)


def test_impact_grows_with_the_root_of_the_share_of_volume():
    # 25 of 100 units: 400 bps · √0.25 = 200 bps.
    panel = bars((10, 10, 10, 10, 100), (10, 10, 10, 10, 100))
    result = play_orders(panel, (0, Order(0, 25.0)), costs=Costs(impact_bps=400))
    assert fills(result) == [(1, 25.0, pytest.approx(10.2))]


def test_all_cash_is_spent_with_impact_too():
    panel = bars((10, 10, 10, 10, 100), (10, 10, 10, 10, 400))
    result = play(panel, 1, None, costs=Costs(impact_bps=400, fee_bps=10))
    assert result.cash[-1] == pytest.approx(0.0, abs=1e-9)
    size = result.fills.quantity[0]
    assert size * 10 * (1 + 0.04 * np.sqrt(size / 400)) * 1.001 == pytest.approx(1000.0)


def test_makers_and_takers_pay_the_schedule_of_their_venue_and_day():
    tiers = (
        FeeTier("1970-01-03", 20.0, 5.0, venue="kraken"),
        FeeTier("1970-01-03", 90.0, 90.0, venue="elsewhere"),
    )
    costs = Costs(fee_bps=10, maker_bps=2, schedule=tiers)
    result = play_orders(
        bars((10, 10, 10, 10), (10, 10, 10, 10), (10, 10, 9, 10), (10, 10, 10, 10)),
        (0, Order(0, 10.0)),
        (1, Order(0, 10.0, "limit", 9.5)),
        (2, Order(0, -10.0)),
        costs=costs,
        execution=Execution(venues={"X": "kraken"}),
    )
    # 1970-01-02 takes at 10 bps; from the 3rd on the maker pays 5 bps, the taker 20.
    assert result.fills.fee.tolist() == pytest.approx([0.1, 0.0475, 0.2])


def test_borrowing_is_paid_on_shorts_by_the_day():
    # 100 units short at 10: 1000 · 3.65 % / 365 = 0.1 a day, from the day of the sale on.
    result = play(flat(10, 10, 10, 10), -1, None, None, None, costs=Costs(borrow_bps=365))
    assert result.cash.tolist() == pytest.approx([1000, 1999.9, 1999.8, 1999.7])
    assert result.played.flows[:, 3].sum() == pytest.approx(-0.3)


def test_interest_is_paid_on_cash_owed():
    result = play(flat(10, 10, 10), 2, None, None, costs=Costs(interest_bps=365))
    assert result.cash.tolist() == pytest.approx([1000, -1000.1, -1000.1 * 1.0001])


def test_funding_goes_from_longs_to_shorts_at_the_close():
    panel = flat(10, 10, 20, funding=[NAN, 0.001, -0.002])
    # 100 units: 1000 · 0.1 % paid, then 2000 · 0.2 % received.
    long_run = play(panel, 1, None, None, costs=Costs(funding=True))
    assert long_run.cash.tolist() == pytest.approx([1000, -1, 3])
    short_run = play(panel, -1, None, None, costs=Costs(funding=True))
    assert short_run.cash.tolist() == pytest.approx([1000, 2001, 1997])


@pytest.mark.parametrize("extras", [{}, {"funding": [0.0, 0.0, NAN]}])
def test_missing_funding_is_refused(extras):
    with pytest.raises(Invalid, match=r"not known|nothing is known") as error:
        play(flat(10, 10, 20, **extras), 1, None, None, costs=Costs(funding=True))
    assert error.value.code == "funding.missing"


# Splits, dividends, currencies


def test_raw_prices_take_splits_and_dividends():
    panel = flat(100, 100, 50, 50, split=[NAN, NAN, 2, NAN], dividend=[NAN, NAN, NAN, 1.5])
    result = play(panel, 1, None, None, None)
    assert result.positions[:, 0].tolist() == [0, 10, 20, 20]
    assert result.equity.tolist() == [1000, 1000, 1000, 1030]
    # One trade, told in units after the split: 20 bought at 50.
    assert (result.trades.size[0], result.trades.entry_price[0]) == (20, 50)
    assert result.trades.pnl[0] == 0


def test_short_pays_the_dividend_and_a_working_order_follows_the_split():
    panel = flat(100, 100, 50, 44, split=[NAN, NAN, 2, NAN], dividend=[NAN, NAN, NAN, 1.0])
    result = play_orders(panel, (0, Order(0, -4.0)), (0, Order(0, 2.0, "limit", 90.0)))
    # The limit of 2 at 90 becomes 4 at 45; dividend on 8 short units at the open before it fills.
    assert fills(result) == [(1, -4, 100), (3, 4, 44)]
    assert result.cash[-1] == pytest.approx(1000 + 400 - 8 - 4 * 44)


@pytest.mark.parametrize(("mode", "name"), [("split", "split"), ("total_return", "dividend")])
def test_actions_that_prices_hold_already_are_refused(mode, name):
    panel = flat(10, 10, price_mode=mode, **{name: [NAN, 2.0]})
    with pytest.raises(Invalid, match="count twice") as error:
        play(panel, 1, None)
    assert error.value.code == "panel.mixed_price_modes"


def test_currencies_convert_at_the_last_known_rate():
    panel = flat(10, 10, 10, 11, fx=[1.0, 1.25, 1.5, 1.5])
    result = play(panel, 1, None, 0, None)
    # Bought at the rate of bar 0 (100 units for 1000), sold at that of bar 2: 100 · 11 · 1.5.
    assert result.equity.tolist() == pytest.approx([1000, 1250, 1500, 1650])
    assert result.trades.pnl.tolist() == pytest.approx([650])
    assert result.cash[-1] == pytest.approx(1650)


def test_missing_rate_is_refused():
    with pytest.raises(Invalid, match="currency") as error:
        play(flat(10, 10, fx=[1.0, NAN]), 1, None)
    assert error.value.code == "fx.missing"


# Volume, lots, ticks


def test_fills_are_cut_to_a_share_of_volume_and_go_on():
    panel = bars(*[(10, 10, 10, 10, 100)] * 4)
    result = play(panel, 1, None, None, None, execution=Execution(participation=0.4))
    assert fills(result) == [(1, 40, 10), (2, 40, 10), (3, 20, 10)]
    result = play_orders(panel, (0, Order(0, 70.0)), execution=Execution(participation=0.4))
    assert fills(result) == [(1, 40, 10), (2, 30, 10)]
    assert states(result) == ["filled"]


def test_bar_without_volume_fills_nothing():
    panel = bars((10, 10, 10, 10, 5), (10, 10, 10, 10, 0), (10, 10, 10, 10, 500))
    result = play(panel, 1, None, None, execution=Execution(participation=1.0))
    assert fills(result) == [(2, 100, 10)]


def test_lots_and_ticks():
    panel = flat(10, 10.03, 10)
    execution = Execution(lot=7.0, tick=0.05)
    result = play(panel, 1, None, None, execution=execution)
    # 10.03 is bought at 10.05; 99.5 units are 14 lots of 7.
    assert fills(result) == [(1, 98, pytest.approx(10.05))]
    with pytest.raises(Invalid, match="less than one lot"):
        play_orders(panel, (0, Order(0, 5.0)), execution=execution)


# Orders


def test_limit_fills_on_a_touch_and_at_a_better_open():
    panel = bars((10, 10, 10, 10), (10, 11, 9.5, 10), (9, 9, 9, 9))
    touch = play_orders(panel, (0, Order(0, 1.0, "limit", 9.5)))
    assert fills(touch) == [(1, 1, 9.5)]
    better = play_orders(panel, (0, Order(0, 1.0, "limit", 9.4)))
    assert fills(better) == [(2, 1, 9)]


def test_stop_fills_at_its_level_or_worse_at_the_open():
    panel = bars((10, 10, 10, 10), (10, 12, 10, 10), (13, 13, 13, 13))
    costs = Costs(slippage_bps=100)
    touched = play_orders(panel, (0, Order(0, 1.0, "stop", 11.0)), costs=costs)
    assert fills(touched) == [(1, 1, pytest.approx(11.11))]
    gapped = play_orders(panel, (0, Order(0, 1.0, "stop", 12.5)), costs=costs)
    assert fills(gapped) == [(2, 1, pytest.approx(13.13))]


def test_orders_expire_and_are_never_filled_in_the_bar_that_made_them():
    panel = bars((10, 12, 8, 10), (10, 10, 10, 10), (10, 10, 10, 10), (10, 10, 8, 10))
    result = play_orders(panel, (0, Order(0, 1.0, "limit", 9.0, bars=2)))
    assert (fills(result), states(result)) == ([], ["expired"])


def test_trailing_order_follows_the_extreme_of_earlier_bars():
    panel = bars(
        (10, 10, 10, 10), (10, 10, 10, 10), (10, 14, 10, 14), (14, 20, 13, 18), (18, 18, 17, 17)
    )
    orders = ((0, Order(0, 5.0)), (1, Order(0, -5.0, "trailing", trail=0.1, reduce_only=True)))
    # Best 14 before bar 3: due at 12.6, not reached. Best 20 before bar 4: due at 18, its open.
    assert fills(play_orders(panel, *orders)) == [(1, 5, 10), (4, -5, 18)]


BRACKET = Order(0, 10.0, stop_loss=9.0, take_profit=12.0)


def test_bracket_takes_the_worse_when_one_bar_holds_both():
    panel = bars((10, 10, 10, 10), (10, 13, 8, 10), (10, 10, 10, 10))
    result = play_orders(panel, (0, BRACKET))
    assert fills(result) == [(1, 10, 10), (1, -10, 9)]
    assert states(result) == ["filled", "cancelled", "filled"]


def test_bracket_takes_its_profit_and_cancels_its_stop():
    panel = bars((10, 10, 10, 10), (10, 11, 9.5, 10), (10, 12, 9.5, 12), (8, 8, 8, 8))
    result = play_orders(panel, (0, BRACKET))
    assert fills(result) == [(1, 10, 10), (2, -10, 12)]
    assert states(result) == ["filled", "filled", "cancelled"]


def test_what_opened_within_a_bar_is_stopped_but_takes_no_profit_in_it():
    entry = replace(BRACKET, kind="limit", price=9.5)
    both = bars((10, 10, 10, 10), (10, 13, 8, 10), (10, 10, 10, 10))
    assert fills(play_orders(both, (0, entry))) == [(1, 10, 9.5), (1, -10, 9)]
    up = bars((10, 10, 10, 10), (10, 13, 9.2, 12), (12.5, 13, 12, 12))
    assert fills(play_orders(up, (0, entry))) == [(1, 10, 9.5), (2, -10, 12.5)]


def test_children_end_with_a_parent_that_never_filled():
    panel = bars((10, 10, 10, 10), (10, 10, 10, 10), (10, 10, 10, 10))
    result = play_orders(panel, (0, replace(BRACKET, kind="limit", price=5.0, bars=1)))
    assert states(result) == ["expired", "cancelled", "cancelled"]


def test_order_beyond_the_equity_is_cut_and_one_without_room_refused():
    panel = flat(10, 10, 10)
    result = play_orders(panel, (0, Order(0, 150.0)), (1, Order(0, 1.0)))
    assert (fills(result), states(result)) == ([(1, 100, 10)], ["refused", "refused"])
    doubled = play_orders(panel, (0, Order(0, 150.0)), execution=Execution(leverage=2.0))
    assert fills(doubled) == [(1, 150, 10)]


def test_reduce_only_never_turns_a_position_round():
    panel = flat(10, 10, 10, 10)
    orders = (Order(0, -9.0, reduce_only=True), Order(0, -9.0, reduce_only=True))
    result = play_orders(panel, (0, Order(0, 5.0)), (1, orders[0]), (2, orders[1]))
    assert fills(result) == [(1, 5, 10), (2, -5, 10)]
    assert result.positions[-1, 0] == 0


def test_reduce_only_does_nothing_to_a_position_of_its_own_side():
    panel = flat(10, 10, 10)
    stop = Order(0, 5.0, "stop", 10.0, reduce_only=True)
    result = play_orders(panel, (0, Order(0, 8.0)), (0, stop))
    assert (fills(result), states(result)) == ([(1, 8, 10)], ["filled", "cancelled"])


# Protection of positions, margin


@pytest.mark.parametrize(
    ("execution", "bar", "expected"),
    [
        (Execution(stop_loss=0.1), (10, 10, 8, 9), 9.0),
        (Execution(stop_loss=0.1), (8.5, 9, 8, 9), 8.5),
        (Execution(take_profit=0.2), (10, 13, 10, 13), 12.0),
        (Execution(take_profit=0.2), (12.5, 13, 12, 13), 12.5),
        (Execution(stop_loss=0.1, take_profit=0.2), (10, 13, 8, 9), 9.0),
        (Execution(trailing_stop=0.1), (10.5, 12, 9.8, 12), 9.9),
    ],
)
def test_protection_of_a_long(execution, bar, expected):
    panel = bars((10, 10, 10, 10), (10, 11, 10, 10), bar, (10, 10, 10, 10))
    result = play(panel, 1, None, None, None, execution=execution)
    assert fills(result) == [(1, 100, 10), (2, -100, pytest.approx(expected))]
    assert result.positions[-1, 0] == 0


def test_protection_of_a_short():
    panel = bars((10, 10, 10, 10), (10, 10, 10, 10), (10, 11.5, 10, 10))
    result = play(panel, -1, None, None, execution=Execution(stop_loss=0.1))
    assert fills(result) == [(1, -100, 10), (2, 100, pytest.approx(11))]
    panel = bars((10, 10, 10, 10), (10, 10, 10, 10), (10, 10, 7, 8))
    result = play(panel, -1, None, None, execution=Execution(take_profit=0.2))
    assert fills(result)[1] == (2, 100, pytest.approx(8))


def test_margin_call_cuts_to_the_leverage_allowed_and_voids_the_decision():
    # 300 units with 1000 of equity; at 8 equity is 400 on 2400: below 20 %.
    panel = flat(10, 10, 8, 8, 8)
    execution = Execution(leverage=3.0, maintenance=0.2)
    result = play(panel, 3, None, 3, None, None, execution=execution)
    assert result.equity.tolist() == pytest.approx([1000, 1000, 400, 400, 400])
    assert result.positions[:, 0].tolist() == pytest.approx([0, 300, 300, 150, 150])
    assert result.played.flows[:, 2].tolist() == [6]


def test_leverage_caps_targets():
    result = play(flat(10, 10), 5, None, execution=Execution(leverage=2.0))
    assert result.positions[-1, 0] == 200


# Results and refusals


def test_excursions_are_the_worst_and_best_on_the_way():
    panel = bars((10, 10, 10, 10), (10, 12, 9, 11), (11, 15, 8, 12), (13, 20, 1, 13))
    trades = play(panel, 1, None, 0, None)
    assert trades.excursions.tolist() == [pytest.approx([0.2, 0.5])]
    short = play(panel, -1, None, 0, None)
    assert short.excursions.tolist() == [pytest.approx([0.5, 0.2])]


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"fill": "close"}, "fill.comparison_only"),
        ({"finalize": True}, "finalize.comparison_only"),
    ],
)
def test_comparisons_take_plain_terms_only(terms, code):
    with pytest.raises(Invalid) as error:
        play(flat(10, 10), 1, None, **terms)
    assert error.value.code == code


@pytest.mark.parametrize(
    "change",
    [
        {"size": 0.0},
        {"size": NAN},
        {"kind": "iceberg"},
        {"kind": "limit"},
        {"kind": "stop", "price": -1.0},
        {"kind": "trailing", "trail": 1.5},
        {"stop_loss": 0.0},
        {"stop_loss": 9.0, "trailing_stop": 0.1},
        {"bars": -1},
    ],
)
def test_bad_orders_are_refused(change):
    with pytest.raises(Invalid) as error:
        Order(**({"asset": 0, "size": 1.0} | change))
    assert error.value.code == "order.invalid"


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (Execution, {"participation": 0.0}),
        (Execution, {"leverage": NAN}),
        (Execution, {"stop_loss": 1.5}),
        (Execution, {"lot": -1.0}),
        (Costs, {"impact_bps": -1.0}),
        (Costs, {"maker_bps": 2000.0}),
        (Costs, {"borrow_bps": np.inf}),
    ],
)
def test_bad_terms_are_refused(kind, change):
    with pytest.raises(Invalid) as error:
        kind(**change)
    assert error.value.code in {"costs.range", "execution.range"}


def test_orders_of_a_strategy_are_placed_and_cancelled_bar_by_bar():
    panel = flat(10, 10, 10, 10, 10)

    def decide(view):
        if view.i == 0:
            return Intents(orders=(Order(0, 5.0), Order(0, 5.0, "limit", 5.0)))
        return Intents(cancel=(2,), weights=np.zeros(1)) if view.i == 2 else None

    result = engine.run_events(panel, {}, decide, cash=1000.0, full=True)
    assert fills(result) == [(1, 5, 10), (3, -5, 10)]
    assert states(result) == ["filled", "cancelled"]


# Intents


@pytest.mark.parametrize(
    ("size", "stop", "limit", "filled"),
    [
        # Touched within the first bar, at its stop: the limit allows it.
        (10, 105, 106, (1, 10.0, 105.0)),
        # Touched within the first bar, limit below: rests, and is met by the next bar's low.
        (10, 105, 103, (2, 10.0, 103.0)),
        # Met by the open already, so the whole bar may fill the limit.
        (10, 99.5, 99.2, (1, 10.0, 99.2)),
        # A sale below: the open of the third bar jumps over stop and limit, the limit rests.
        (-10, 98, 97.5, (3, -10.0, 97.5)),
    ],
)
def test_a_stop_limit_becomes_a_limit_once_its_stop_is_touched(size, stop, limit, filled):
    panel = bars((100, 101, 99, 100), (100, 106, 99, 104), (104, 105, 100, 101), (97, 98, 96, 97))
    order = Order(0, size, "stop_limit", price=stop, limit=limit)
    result = play_orders(panel, (0, order), cash=1e5)
    assert fills(result) == [filled]
    assert states(result) == ["filled"]


def test_an_order_for_all_that_is_held_closes_it_and_is_done():
    panel = flat(100, 100, 90, 90)
    stop = Order(0, -np.inf, "stop", price=95, reduce_only=True)
    result = play_orders(panel, (0, Order(0, 4)), (1, stop))
    assert fills(result) == [(1, 4.0, 100.0), (2, -4.0, 90.0)]
    assert states(result) == ["filled", "filled"]


def test_all_that_is_held_is_for_orders_that_reduce():
    with pytest.raises(Invalid, match="reduce_only"):
        Order(0, np.inf)


def test_a_strategy_sees_its_positions_and_what_became_of_its_orders():
    panel = flat(100, 100, 100, 110, 110)
    seen, told, late = [], [], []

    def decide(view):
        seen.append((float(view.positions[0]), view.equity, view.orders))
        told.append([(o.number, o.kind, o.state, o.parent) for o in view.orders])
        late.append(view)
        if view.i == 0:
            bracket = Order(0, 5, stop_loss=90, take_profit=108, tag="entry")
            return Intents(orders=(bracket, Order(0, 1, "limit", price=50, tag="low")))
        return Intents(cancel=(4,)) if view.i == 1 else None

    engine.run_events(panel, {}, decide, cash=1000.0, full=True)
    entry, profit = (1, "market", "filled", 0), (2, "limit", "working", 1)
    stop, low = (3, "stop", "working", 1), (4, "limit", "working", 0)
    assert told == [
        [],
        [entry, profit, stop, low],
        [profit, stop],
        [(2, "limit", "filled", 1), (3, "stop", "cancelled", 1)],
        [],
    ]
    assert [held for held, _, _ in seen] == [0, 5, 5, 0, 0]
    assert [equity for _, equity, _ in seen] == [1000, 1000, 1000, 1050, 1050]
    assert seen[3][2][0].average == 110.0
    assert [o.tag for o in seen[1][2]] == ["entry", "entry", "entry", "low"]
    with pytest.raises(Invalid, match="earlier close"):
        late[0].weights  # noqa: B018 what an earlier close would have told


def test_an_order_that_is_none_can_not_be_taken_back():
    with pytest.raises(Invalid) as refusal:
        engine.run_events(flat(1, 1, 1), {}, lambda _: Intents(cancel=(7,)), cash=10.0, full=True)
    assert refusal.value.code == "order.unknown"


def test_the_row_a_strategy_answers_with_stays_its_own():
    panel = flat(50, 50, 50, 50)
    wanted = np.array([[0.5], [np.nan], [0.0], [np.nan]])
    before = wanted.copy()
    engine.run_events(panel, {}, lambda view: wanted[view.i], full=True, cash=1000.0)
    np.testing.assert_array_equal(wanted, before)
