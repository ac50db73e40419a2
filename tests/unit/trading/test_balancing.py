"""Policies of balancers, when they allow more, when they run next, and the trades they come to."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.core.errors import Invalid
from apps.trading.kernel.balancing import (
    Policy,
    as_values,
    next_due,
    policy_from,
    terms_of,
    trades_towards,
    wider,
)

NOW = datetime(2026, 1, 5, 12, 0, 30, tzinfo=UTC)
SENDS = policy_from({"output": "orders", "is_on": True})


def test_a_policy_comes_back_from_its_values():
    assert policy_from(as_values(SENDS)) == SENDS
    assert policy_from({"cost": None, "max_correlation": None}).max_correlation is None
    assert terms_of(Policy(), 0.0007).cost == 0.0007
    assert terms_of(policy_from({"cost": 0.0}), 0.0007).cost == 0.0


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"budget": float("nan")}, "balancer.number"),
        ({"budget": float("inf")}, "balancer.number"),
        ({"budget": None}, "balancer.number"),
        ({"budget": True}, "balancer.number"),
        ({"budget": 0.0}, "balance.terms"),
        ({"window": 100.0}, "balancer.number"),
        ({"every_seconds": 59}, "balancer.number"),
        ({"every_seconds": None}, "balancer.schedule"),
        ({"every_seconds": None, "daily_at": "9:00"}, "balancer.schedule"),
        ({"every_seconds": None, "daily_at": "09:00:00"}, "balancer.schedule"),
        ({"min_weight": 0.3, "max_weight": 0.2}, "balancer.bounds"),
        ({"output": 7}, "balancer.value"),
        ({"lunch": 1}, "balancer.unknown"),
    ],
)
def test_what_cannot_be_is_refused(values, code):
    with pytest.raises(Invalid) as caught:
        policy_from(values)
    assert caught.value.code == code
    assert caught.value.details["field"]


@pytest.mark.parametrize(
    ("change", "more"),
    [
        ({}, []),
        ({"output": "proposal", "method": "hrp", "budget": 2.0}, []),
        ({"is_on": False}, []),
        ({"budget": 0.5, "max_weight": 0.4, "max_turnover": 1.0, "max_correlation": 0.5}, []),
        ({"budget": 0.96}, ["budget"]),
        ({"max_correlation": None}, ["max_correlation"]),
        ({"method": "hrp", "every_seconds": 60}, ["method", "every_seconds"]),
        ({"min_weight": 0.01}, ["min_weight"]),
    ],
)
def test_of_what_sends_orders_any_change_is_wider_that_does_not_narrow(change, more):
    assert wider(SENDS, policy_from(change, SENDS)) == more


def test_the_way_to_orders_is_wider_on_or_off():
    assert wider(Policy(), SENDS) == ["output", "is_on"]
    assert wider(Policy(), policy_from({"output": "orders"})) == ["output"]
    off = policy_from({"is_on": False}, SENDS)
    assert wider(off, SENDS) == ["is_on"]


def test_it_runs_every_so_often_or_daily():
    assert next_due(Policy(), NOW) is None
    often = policy_from({"is_on": True, "every_seconds": 60})
    assert next_due(often, NOW) == NOW + timedelta(seconds=60)
    daily = policy_from({"is_on": True, "every_seconds": None, "daily_at": "12:00"})
    assert next_due(daily, NOW) == datetime(2026, 1, 6, 12, 0, tzinfo=UTC)
    later = policy_from({"daily_at": "12:01"}, daily)
    assert next_due(later, NOW) == datetime(2026, 1, 5, 12, 1, tzinfo=UTC)


def test_trades_lead_from_what_is_held_to_what_is_wanted_sales_first():
    found = trades_towards(
        {"A": 0.5, "B": 0.0, "C": 0.3001, "D": 0.1},
        {"A": 10.0, "B": 1.0, "C": 30.0},
        {"A": 10.0, "B": 0.5, "C": 10.0, "D": 33.0},
        1000.0,
        whole=False,
        min_trade=0.001,
    )
    # A: 500 / 10 = 50, 40 more; B, worth 0.5, is closed; C lacks 0.01 units, too little.
    assert [(t.symbol, t.side) for t in found] == [("B", "sell"), ("A", "buy"), ("D", "buy")]
    assert [t.quantity for t in found] == pytest.approx([1.0, 40.0, 100 / 33])
    assert (found[1].before, found[1].after) == pytest.approx((0.1, 0.5))
    whole = trades_towards({"D": 0.1}, {}, {"D": 33.0}, 1000.0, whole=True, min_trade=0.0)
    assert [t.quantity for t in whole] == [3.0]
