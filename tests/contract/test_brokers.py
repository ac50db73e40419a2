"""What every broker does alike, whatever venue is behind it."""

import math

import numpy as np
import pytest

from apps.backtests.kernel.engine import Book
from apps.trading.brokers.base import OrderTicket
from apps.trading.brokers.paper import PaperBroker


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

    def test_fills_worse_by_slippage_and_takes_the_fee(self, broker):
        bought = broker.fill_quantity(10.0, 100.0, fee_bps=10.0, slippage_bps=20.0)
        sold = broker.fill_quantity(-10.0, 100.0, fee_bps=10.0, slippage_bps=20.0)
        assert (bought.price, sold.price) == (pytest.approx(100.2), pytest.approx(99.8))
        assert bought.fee == pytest.approx(1.002)
        assert sold.fee == pytest.approx(0.998)

    def test_fills_targets_like_the_engine(self, broker):
        books = [Book(2, 1000.0, 5.0, 5.0) for _ in range(2)]
        prices = np.array([10.0, np.nan])
        for book in books:
            book.set_targets(np.array([0.5, 0.5]))
        mine = broker.fill_targets(books[0], prices)
        theirs = books[1].on_open(prices)
        assert (mine.quantity == theirs.quantity).all()
        assert books[0].cash == books[1].cash

    def test_by_hand_and_by_target_cost_the_same(self, broker):
        book = Book(1, 1000.0, 30.0, 20.0)
        book.set_targets(np.array([0.5]))
        filled = broker.fill_targets(book, np.array([40.0]))
        by_hand = broker.fill_quantity(
            float(filled.quantity[0]), 40.0, fee_bps=30.0, slippage_bps=20.0
        )
        assert by_hand.price == pytest.approx(float(filled.price[0]), rel=1e-14)
        assert by_hand.fee == pytest.approx(float(filled.fee[0]), rel=1e-14)
