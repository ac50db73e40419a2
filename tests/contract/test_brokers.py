"""What every broker does alike, whatever venue is behind it."""

import math

import numpy as np
import pytest

from apps.backtests.kernel import engine
from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.execution import Execution
from apps.backtests.kernel.kept import empty_book
from apps.trading.brokers.base import OrderTicket
from apps.trading.brokers.paper import PaperBroker
from apps.trading.kernel.sleeves import Terms, begin
from tests.unit.backtests.panels import panel_of


class BrokerContract:
    """A subclass makes its broker in ``broker``."""

    @pytest.fixture
    def broker(self):
        raise NotImplementedError

    def ticket(self, **changes):
        fields = {"symbol": "SPY", "kind": "market", "side": "buy", "quantity": 1.0}
        return OrderTicket(client_id="c1", **{**fields, **changes})

    def test_says_what_it_can_do(self, broker):
        has = broker.capabilities
        assert has.name
        assert has.title
        assert "market" in has.kinds

    def test_accepts_a_market_order_under_its_own_id(self, broker):
        answer = broker.submit(self.ticket())
        assert answer.accepted
        assert answer.client_id == "c1"
        assert answer.venue_id

    def test_the_same_client_id_is_the_same_order(self, broker):
        if not broker.capabilities.deduplicates:
            pytest.skip("the venue does not recognise client ids")
        first, second = broker.submit(self.ticket()), broker.submit(self.ticket())
        assert first.venue_id == second.venue_id

    @pytest.mark.parametrize(
        "changes",
        [
            {"kind": "iceberg"},
            {"side": "hold"},
            {"quantity": 0.0},
            {"quantity": -1.0},
            {"quantity": math.nan},
            {"kind": "target", "target_weight": None},
            {"kind": "target", "target_weight": math.inf},
        ],
    )
    def test_refuses_what_it_cannot_do_with_a_code(self, broker, changes):
        answer = broker.submit(self.ticket(**changes))
        assert not answer.accepted
        assert answer.code.startswith("broker.")
        assert answer.message

    def test_cancels(self, broker):
        broker.submit(self.ticket())
        assert broker.cancel("c1").client_id == "c1"


class TestPaper(BrokerContract):
    @pytest.fixture
    def broker(self):
        return PaperBroker()

    def test_fills_worse_by_slippage_and_takes_the_fees(self, broker):
        costs = Costs(fee_bps=10.0, slippage_bps=15.0, spread_bps=10.0, per_unit=0.1)
        bought = broker.fill_quantity(10.0, 100.0, costs)
        sold = broker.fill_quantity(-10.0, 100.0, costs)
        assert (bought.price, sold.price) == (pytest.approx(100.2), pytest.approx(99.8))
        assert bought.fee == pytest.approx(1.002 + 1.0)
        assert sold.fee == pytest.approx(0.998 + 1.0)

    def test_plays_a_bar_like_the_engine(self, broker):
        panel = panel_of([[10.0, 5.0], [11.0, 6.0]], [[10.5, 5.0], [11.5, np.nan]])
        costs = Costs(5.0, 5.0, spread_bps=4.0)
        session = session_on(panel, costs)
        mine = broker.play(session)
        targets = np.array([[0.5, 0.5], [np.nan, np.nan]])
        theirs = engine.run(panel, targets, cash=1000.0, costs=costs, full=True)
        assert len(mine) == 0
        session.want(targets[0])
        mine = broker.play(session)
        assert mine.value.tolist() == theirs.fills.value.tolist()
        assert session.equity == theirs.equity[-1]

    def test_by_hand_and_by_target_cost_the_same(self, broker):
        costs = Costs(30.0, 20.0, per_unit=0.02)
        session = session_on(panel_of([[40.0], [40.0]], [[40.0], [41.0]]), costs)
        broker.play(session)
        session.want(np.array([0.5]))
        filled = broker.play(session)
        by_hand = broker.fill_quantity(float(filled.quantity[0]), 40.0, costs)
        assert by_hand.price == pytest.approx(float(filled.price[0]), rel=1e-14)
        assert by_hand.fee == pytest.approx(float(filled.fee[0]), rel=1e-14)


def session_on(panel, costs):
    terms = Terms(costs, Execution(), "fractional")
    return begin(empty_book(panel.n_assets, 1000.0), panel, terms)
