"""Scopes, money, average prices, sleeves, performance."""

from decimal import Decimal

import numpy as np
import pytest

from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.execution import Execution
from apps.backtests.kernel.kept import empty_book
from apps.core.errors import Invalid
from apps.trading.kernel.averages import average_after
from apps.trading.kernel.money import to_money, to_quantity
from apps.trading.kernel.performance import drawdown
from apps.trading.kernel.scopes import covering, parse_scope
from apps.trading.kernel.sleeves import Terms, begin, intents_of, plain_memory, terms_from
from tests.unit.backtests.panels import panel_of


@pytest.mark.parametrize(
    ("text", "shown"),
    [("all", "all"), ("team", "team:7"), ("team:3", "team:3"), ("account:12", "account:12")],
)
def test_scopes_are_parsed(text, shown):
    assert str(parse_scope(text, 7)) == shown


@pytest.mark.parametrize(
    "text", ["", "everything", "account:", "account:0", "account:-1", "team:x"]
)
def test_what_is_no_scope_is_refused(text):
    with pytest.raises(Invalid) as caught:
        parse_scope(text, 7)
    assert caught.value.code == "halt.scope"


def test_a_deployment_is_covered_by_four_scopes():
    scopes = covering(team_id=1, account_id=2, deployment_id=3)
    assert scopes == ["all", "team:1", "account:2", "deployment:3"]


def test_money_is_exact_and_finite():
    assert to_money(0.1) == Decimal("0.10000000")
    assert to_quantity(1 / 3) == Decimal("0.333333333333")
    with pytest.raises(Invalid):
        to_money(float("nan"))


@pytest.mark.parametrize(
    ("held", "average", "traded", "price", "expected"),
    [
        (0.0, 0.0, 10.0, 5.0, 5.0),
        (10.0, 5.0, 10.0, 7.0, 6.0),
        (10.0, 5.0, -4.0, 9.0, 5.0),
        (10.0, 5.0, -10.0, 9.0, 0.0),
        (10.0, 5.0, -15.0, 9.0, 9.0),
        (-10.0, 5.0, -10.0, 7.0, 6.0),
        (-10.0, 5.0, 4.0, 3.0, 5.0),
    ],
)
def test_the_average_price_by_hand(held, average, traded, price, expected):
    assert average_after(held, average, traded, price) == pytest.approx(expected)


def test_intents_reduce_first_and_leave_out_what_can_lead_to_nothing():
    prices = np.array([[10.0, 10.0, 10.0, np.nan]] * 2)
    terms = Terms(Costs(), Execution(), "fractional")
    session = begin(empty_book(4, 1000.0), panel_of(prices, prices), terms)
    session.advance()
    session.set_targets(np.array([0.5, np.nan, np.nan, np.nan]))
    session.advance()
    session.set_targets(np.array([0.1, 0.4, 0.0, 0.2]))
    found = intents_of(session, ["A", "B", "C", "D"])
    assert [intent.symbol for intent in found] == ["A", "B"]
    assert found[0].quantity == pytest.approx(-40.0)
    assert found[1].quantity == pytest.approx(40.0)


def test_terms_are_those_of_a_request_and_a_halt_calms_them():
    terms = terms_from(
        fee_bps=5.0,
        slippage_bps=2.0,
        units="fractional",
        more_costs={"borrow_bps": 300.0, "funding": True},
        execution={"stop_loss": 0.1, "participation": 0.2},
    )
    assert terms.costs == Costs(5.0, 2.0, borrow_bps=300.0, funding=True)
    assert terms.inputs("split") == ("dividend", "fx", "funding")
    assert terms.calm().execution == Execution(participation=0.2)
    with pytest.raises(Invalid) as refusal:
        terms_from(
            fee_bps=5.0,
            slippage_bps=2.0,
            units="fractional",
            more_costs={"rebate": 1},
            execution={},
        )
    assert refusal.value.code == "request.unknown_field"


def test_memory_becomes_plain():
    kept = plain_memory(
        {"a": np.float64(1.5), "b": np.array([1, 2]), "c": {"d": np.array([1]) > 0}}
    )
    assert kept == {"a": 1.5, "b": [1, 2], "c": {"d": [True]}}
    assert type(kept["a"]) is float


def test_drawdown_by_hand():
    assert drawdown(np.array([100.0, 120.0, 90.0, 130.0])).tolist() == [0.0, 0.0, 0.25, 0.0]
