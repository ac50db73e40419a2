"""Every rule of the pre-trade guard, each refusal by its code."""

import dataclasses
import math

import pytest

from apps.core.errors import Invalid
from apps.risk.kernel.limits import (
    DEFAULT,
    OFF,
    WIDE,
    Holdings,
    Sent,
    Ticket,
    as_values,
    check_order,
    limits_from,
    loosened,
    stored_limits,
    strictest,
    utilisation,
)

RICH = Holdings(equity=100_000.0, day_start_equity=100_000.0)


def order(**changes):
    made = Ticket("SPY", "buy", 10.0, 100.0, 100.0, client_id="a")
    return dataclasses.replace(made, **changes)


def book(**changes):
    began = changes.get("equity", RICH.equity)
    return dataclasses.replace(RICH, **{"day_start_equity": began, **changes})


def codes(ticket, holdings=RICH, limits=DEFAULT):
    return [refusal.code for refusal in check_order(ticket, holdings, limits)]


def test_a_modest_order_passes():
    assert codes(order()) == []


FULL = {f"S{i}": 1.0 for i in range(20)}


@pytest.mark.parametrize(
    ("ticket", "holdings", "code"),
    [
        (order(quantity=20.01), RICH, "limit.position_value"),
        (order(), book(equity=1900.0), "limit.position_share"),
        (order(quantity=0.99), RICH, "limit.position_min"),
        (
            order(),
            book(equity=2500.0, positions={"QQQ": 45.0}, prices={"QQQ": 100.0}),
            "limit.exposure",
        ),
        (
            order(),
            book(equity=5000.0, positions={"QQQ": -100.0}, prices={"QQQ": 100.0}),
            "limit.exposure",
        ),
        (order(), book(positions=FULL, prices=dict.fromkeys(FULL, 1.0)), "limit.positions"),
        (order(), book(equity=90_000.0, day_start_equity=100_000.0), "limit.daily_loss"),
        (order(price=110.01), RICH, "limit.price_collar"),
        (order(), book(client_ids=frozenset({"a"})), "limit.duplicate"),
        (order(), book(orders_last_minute=120), "limit.rate"),
        (order(), book(halted=("account:1",)), "limit.halted"),
        (order(price_age_seconds=121.0), RICH, "limit.stale_price"),
        (order(side="hold"), RICH, "order.side"),
        (order(quantity=0.0), RICH, "order.not_positive"),
        (order(quantity=float("nan")), RICH, "order.not_positive"),
        (order(price=float("inf")), RICH, "order.not_positive"),
    ],
)
def test_each_rule_refuses_with_its_code(ticket, holdings, code):
    assert codes(ticket, holdings) == [code]


@pytest.mark.parametrize(
    ("ticket", "holdings"),
    [
        (order(quantity=20.0), RICH),
        (order(), book(equity=2000.0, day_start_equity=2000.0)),
        (order(quantity=1.0), RICH),
        (
            order(),
            book(
                equity=2500.0, positions={"Q": 40.0}, prices={"Q": 100.0}, day_start_equity=2500.0
            ),
        ),
        (order(), book(equity=90_001.0, day_start_equity=100_000.0)),
        (order(price=110.0), RICH),
        (order(), book(orders_last_minute=119)),
        (order(price_age_seconds=120.0), RICH),
    ],
)
def test_at_the_limit_is_within_it(ticket, holdings):
    assert codes(ticket, holdings) == []


def test_leverage_binds_where_exposure_is_off():
    levered = book(
        equity=1000.0, day_start_equity=1000.0, positions={"Q": 100.0}, prices={"Q": 100.0}
    )
    wide = limits_from({"max_exposure": None, "max_position_share": None})
    assert codes(order(), levered, wide) == ["limit.leverage"]


def test_the_restricted_list_refuses_openings_only():
    limits = limits_from({"restricted": ["SPY"]})
    assert codes(order(), RICH, limits) == ["limit.restricted"]
    assert codes(order(side="sell", quantity=5.0), book(positions={"SPY": 8.0}), limits) == []


def test_all_refusals_come_at_once():
    found = codes(
        order(quantity=5000.0, price=150.0, price_age_seconds=999.0),
        book(equity=80_000.0, day_start_equity=1e5, orders_last_minute=500, halted=("all",)),
    )
    assert set(found) == {
        "limit.halted",
        "limit.rate",
        "limit.price_collar",
        "limit.stale_price",
        "limit.daily_loss",
        "limit.position_value",
        "limit.position_share",
        "limit.exposure",
        "limit.order_value",
        "limit.trade_risk",
    }


@pytest.mark.parametrize("held", [500.0, -500.0])
def test_exits_pass_limits_on_size(held):
    ruined = book(equity=100.0, positions={"SPY": held}, prices={"SPY": 100.0})
    side = "sell" if held > 0 else "buy"
    assert codes(order(side=side, quantity=499.9), ruined) == []
    assert codes(order(side=side, quantity=500.0), ruined) == []


def test_turning_a_position_round_is_no_exit():
    assert "limit.position_value" in codes(
        order(side="sell", quantity=530.0), book(positions={"SPY": 500.0})
    )


def test_exits_still_stop_at_a_halt():
    held = book(positions={"SPY": 10.0}, halted=("team",))
    assert codes(order(side="sell"), held) == ["limit.halted"]


def test_working_orders_count_as_held():
    assert codes(order(), book(pending={"SPY": 15.0})) == ["limit.position_value"]


def test_wide_lets_a_whole_portfolio_through():
    held = {f"S{i}": 1.0 for i in range(140)}
    prices = dict.fromkeys(held, 700.0)
    assert codes(order(), book(positions=held, prices=prices), WIDE) == []


def test_limits_are_checked_and_round_trip():
    assert limits_from(as_values(WIDE)) == WIDE
    for wrong, code in (
        ({"max_cake": 1}, "limits.unknown"),
        ({"max_exposure": -1}, "limits.value"),
        ({"max_exposure": "2"}, "limits.value"),
        ({"max_positions": 1.5}, "limits.value"),
        ({"max_positions": 10**400}, "limits.value"),
        ({"max_exposure": float("nan")}, "limits.value"),
        ({"max_exposure": True}, "limits.value"),
        ({"only_in_session": 1}, "limits.value"),
        ({"ess_drawdown": 1.5}, "limits.value"),
        ({"restricted": {"SPY": 1}}, "limits.value"),
        ({"restricted": "SPY"}, "limits.value"),
    ):
        with pytest.raises(Invalid) as caught:
            limits_from(wrong)
        assert caught.value.code == code


def test_a_set_is_read_as_it_was_agreed_to():
    old = {"max_positions": 5, "restricted": ["SPY"]}
    assert stored_limits(old).max_order_value is None, "what came later was not agreed to"
    assert stored_limits(as_values(DEFAULT)) == DEFAULT


def test_the_strictest_of_two_sets_by_hand():
    account = limits_from({"max_positions": 50, "min_position_value": 10, "restricted": ["A"]})
    own = limits_from(
        {"max_positions": 8, "min_position_value": 200, "max_exposure": 5.0, "restricted": ["B"]},
        base=OFF,
    )
    found = strictest(account, own)
    assert (found.max_positions, found.min_position_value, found.max_exposure) == (8, 200, 2.0)
    assert found.restricted == {"A", "B"}
    assert found.only_in_session, "off in one, on in the other"
    assert strictest(own, account) == found
    assert loosened(account, found) == []
    assert set(loosened(found, account)) == {"max_positions", "min_position_value", "restricted"}


BOOKS = book(positions={"QQQ": 10.0, "XOM": -20.0}, prices={"QQQ": 100.0, "XOM": 50.0})
OPEN = limits_from({"max_position_value": None, "max_order_value": None, "price_collar": 0.5})


@pytest.mark.parametrize(
    ("ticket", "holdings", "limits", "code"),
    [
        (order(quantity=41.0), RICH, {}, "limit.order_value"),
        (order(), RICH, {"max_order_quantity": 9.0}, "limit.order_quantity"),
        (order(), book(messages_last_minute=240), {}, "limit.message_rate"),
        (order(), book(recent=[Sent("SPY", "buy", 10.0, 4.9)]), {}, "limit.repeated"),
        (order(), book(session_open=False), {}, "limit.session_closed"),
        (order(), book(stopped=["account:1"]), {}, "limit.emergency_stop"),
        (order(), book(positions={"QQQ": 1.0}), {}, "limit.unpriced"),
        (order(), book(positions={"QQQ": 1.0}, prices={"QQQ": math.nan}), {}, "limit.unpriced"),
        # 1,000 at a stop 21 % away risks 210 of 10,000: more than 2 %.
        (order(stop_share=0.21), book(equity=10_000.0), {}, "limit.trade_risk"),
        # 1,000 + 1,000 of one sector in 2,500 of equity
        (
            order(),
            book(equity=2500.0, positions={"QQQ": 10.0}, prices={"QQQ": 100.0},
                 groups={"SPY": "Funds", "QQQ": "Funds"}),
            {"max_group_share": 0.7},
            "limit.concentration",
        ),
        # long 2,000 and short 1,000 is 1,000 net; of 1,900 that is 53 %
        (order(), dataclasses.replace(BOOKS, equity=1900.0, day_start_equity=1900.0),
         {"max_net_exposure": 0.5, "max_position_share": None}, "limit.net_exposure"),
    ],
)  # fmt: skip
def test_rules_of_the_rulebooks_refuse_with_their_codes(ticket, holdings, limits, code):
    base = OPEN if code != "limit.order_value" else limits_from({"max_position_value": None})
    assert codes(ticket, holdings, limits_from(limits, base=base)) == [code]


def test_perpetuals_have_a_leverage_of_their_own():
    levered = book(
        equity=1000.0, positions={"BTC": 1.0}, prices={"BTC": 25_000.0},
        perpetuals=frozenset({"BTC", "SPY"}),
    )  # fmt: skip
    loose = limits_from(
        {"max_exposure": None, "max_position_share": None, "max_risk_per_trade": None}
    )
    # 26,000 / 30 is 867 of margin; the same in spot would take 2,600.
    assert codes(order(), levered, loose) == []
    spot = dataclasses.replace(levered, perpetuals=frozenset())
    assert codes(order(), spot, loose) == ["limit.leverage"]
    # 25,000 / 30 + 1,000 / 10 is 933, with 2,000 more in spot 1,133.
    mixed = dataclasses.replace(levered, perpetuals=frozenset({"BTC"}), pending={"XOM": 20.0},
                                prices={"BTC": 25_000.0, "XOM": 100.0})  # fmt: skip
    assert codes(order(), mixed, loose) == ["limit.leverage"]


@pytest.mark.parametrize("equity", [0.0, -5.0, math.nan, math.inf])
def test_nothing_is_opened_on_an_equity_that_is_none(equity):
    broke = dataclasses.replace(RICH, equity=equity)
    assert "limit.no_equity" in codes(order(), broke)
    held = dataclasses.replace(broke, positions={"SPY": 20.0})
    assert codes(order(side="sell"), held) == [], "a way out is open"


@pytest.mark.parametrize("changes", [{"quantity": 1e16}, {"quantity": 1e10, "price": 1e6}])
def test_absurd_orders_are_no_orders(changes):
    assert codes(order(**{"reference": 100.0, **changes})) == ["order.absurd"]


def test_a_retry_is_not_a_repeat():
    again = book(recent=[Sent("SPY", "buy", 10.0, 1.0, "a")])
    assert codes(order(client_id="a"), again) == []
    assert codes(order(client_id="b"), again) == ["limit.repeated"]


def test_utilisation_does_not_make_up_a_price():
    used = {row["limit"]: row for row in utilisation(book(positions={"A": 1.0}), DEFAULT)}
    assert used["max_exposure"]["used"] is None
    assert used["max_positions"]["used"] == 1.0


def test_utilisation_by_hand():
    held = book(
        equity=10_000.0,
        day_start_equity=10_500.0,
        positions={"A": 30.0, "B": -10.0},
        prices={"A": 100.0, "B": 100.0},
    )
    used = {row["limit"]: row for row in utilisation(held, DEFAULT)}
    assert used["max_position_value"]["ratio"] == pytest.approx(1.5)
    assert used["max_position_value"]["breached"]
    assert used["max_position_share"]["used"] == pytest.approx(0.3)
    assert used["max_exposure"]["ratio"] == pytest.approx(0.2)
    assert used["max_daily_loss"]["used"] == pytest.approx(500 / 10_500)
