"""Dynamic stops and takes, computed by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.risk.kernel import protection
from apps.risk.kernel.limits import DEFAULT, WIDE
from apps.risk.kernel.protection import Levels, Policy, levels

POLICY = Policy()
NAN = math.nan


def test_two_percent_by_default():
    # Neutral confidence: the take is twice as far as the stop.
    found = levels(quantity=5.0, entry=100.0, close=100.0, sigma=NAN, policy=POLICY)
    assert (found.stop, found.take) == pytest.approx((98.0, 104.0))
    found = levels(quantity=-5.0, entry=100.0, close=100.0, sigma=NAN, policy=POLICY)
    assert (found.stop, found.take) == pytest.approx((102.0, 96.0))


@pytest.mark.parametrize(
    ("sigma", "confidence", "stop", "take"),
    [
        # 3 * 0.01 * (0.75 + c / 2); times 1 + 2 c
        (0.01, 0.5, 0.03, 0.06),
        (0.01, 0.0, 0.0225, 0.0225),
        (0.01, 1.0, 0.0375, 0.1125),
        # no nearer than a quarter of 2 %, no further than 10 %
        (0.001, 0.5, 0.005, 0.010),
        (0.08, 0.5, 0.10, 0.20),
        (NAN, 1.0, 0.02, 0.06),
        (0.0, 0.5, 0.02, 0.04),
    ],
)
def test_distances_by_hand(sigma, confidence, stop, take):
    found = protection.stop_distance(sigma, confidence, POLICY)
    assert found == pytest.approx(stop)
    assert protection.take_distance(found, confidence) == pytest.approx(take)


def test_a_stop_follows_the_price_and_never_goes_back():
    first = levels(quantity=1.0, entry=100.0, close=110.0, sigma=NAN, policy=POLICY)
    assert first.stop == pytest.approx(107.8)
    later = levels(quantity=1.0, entry=100.0, close=105.0, sigma=NAN, policy=POLICY, before=first)
    assert later.stop == pytest.approx(107.8)
    short = levels(
        quantity=-1.0,
        entry=100.0,
        close=120.0,
        sigma=NAN,
        policy=POLICY,
        before=Levels(91.0, 80.0),
    )
    assert short.stop == 91.0


def test_volatility_by_hand():
    # Returns of +-1 % in turns: every square is the same, so weights don't matter.
    closes = 100.0 * np.exp(np.cumsum([0.01 * (-1) ** k for k in range(30)]))
    assert protection.volatility(closes) == pytest.approx(0.01)
    # One return of 5 % at the end after 20 of nothing: 0.05 * sqrt(1 / sum 0.94^k, k = 0..20).
    closes = np.array([100.0] * 21 + [100.0 * math.exp(0.05)])
    weights = sum(0.94**k for k in range(21))
    assert protection.volatility(closes) == pytest.approx(0.05 / math.sqrt(weights))


def test_volatility_is_not_known_without_enough_to_go_by():
    assert math.isnan(protection.volatility(np.full(100, 7.0)))
    assert math.isnan(protection.volatility(np.linspace(1.0, 2.0, 20)))
    assert math.isnan(protection.volatility(np.full(100, NAN)))
    gaps = np.full(60, NAN)
    gaps[::2] = 100.0 * 1.01 ** np.arange(30)
    assert protection.volatility(gaps) == pytest.approx(math.log(1.01))


def test_which_sets_protect():
    assert protection.policy_of(DEFAULT) == Policy(0.02, 3.0, 0.10)
    assert protection.policy_of(WIDE) is None


@pytest.mark.parametrize(
    "wrong",
    [{"quantity": 0.0}, {"quantity": NAN}, {"entry": NAN}, {"close": 0.0}, {"entry": -1.0}],
)
def test_what_is_no_position_is_refused(wrong):
    given = {"quantity": 1.0, "entry": 100.0, "close": 100.0, **wrong}
    with pytest.raises(Invalid) as caught:
        levels(sigma=0.01, policy=POLICY, **given)
    assert caught.value.code == "protection.position"


@pytest.mark.parametrize("confidence", [-0.1, 1.1, NAN])
def test_a_confidence_is_a_share(confidence):
    with pytest.raises(Invalid) as caught:
        protection.stop_distance(0.01, confidence, POLICY)
    assert caught.value.code == "protection.confidence"


@given(
    st.floats(1e-6, 1e6),
    st.floats(0.5, 2.0),
    st.floats(0.0, 1.0),
    st.one_of(st.just(NAN), st.floats(0.0, 3.0)),
    st.sampled_from([-1.0, 1.0]),
)
def test_levels_stand_on_either_side_of_the_best_price(entry, move, confidence, sigma, side):
    close = entry * move
    found = levels(
        quantity=side,
        entry=entry,
        close=close,
        sigma=sigma,
        policy=POLICY,
        confidence=confidence,
    )
    best = side * max(side * entry, side * close)
    assert side * found.stop < side * best
    assert side * found.take > side * entry
    assert found.stop > 0.0
    assert found.take > 0.0
    assert 0.005 - 1e-9 <= abs(1.0 - found.stop / best) <= 0.10 + 1e-9


def test_levels_are_sent_anew_when_they_moved_by_a_tenth():
    old = Levels(98.0, 104.0)
    assert not protection.has_moved(old, Levels(98.1, 104.0), 100.0)
    assert protection.has_moved(old, Levels(98.3, 104.0), 100.0)
    assert protection.has_moved(old, Levels(98.0, 103.5), 100.0)
