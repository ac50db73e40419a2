"""Properties that every measure keeps, and what is refused or said of bad input."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from apps.core.errors import Invalid
from apps.risk.kernel.calendars import common_sessions, periods_in
from apps.risk.kernel.components import FIELDS, components
from apps.risk.kernel.conventions import SHORTFALLS, Terms
from apps.risk.kernel.drawdown import drawdown_ahead, drawdowns
from apps.risk.kernel.empirical import sample_tail
from apps.risk.kernel.liquidity import liquidity_adjusted
from apps.risk.kernel.measure_loops import (
    deepest_2d,
    garch_loss_1d,
    variances_1d,
    weighted_2d,
)
from apps.risk.kernel.measures import METHODS, measure_book, measure_of, tail_by, terms_of
from apps.risk.kernel.parametric import cornish_fisher_quantile, in_domain
from apps.risk.kernel.samples import Moments

QUICK = settings(max_examples=25, deadline=None, derandomize=True)
RETURN = st.floats(-0.5, 0.5, allow_nan=False, width=32).map(lambda x: round(float(x), 6))
SAMPLES = arrays(np.float64, st.integers(5, 60), elements=RETURN)
SMALL_LEVELS = st.sampled_from([0.6, 0.75, 0.9, 0.95, 0.99])
PLAIN = ("historical", "gaussian", "age_weighted")
RULES = st.sampled_from(["linear", "inverted_cdf", "hazen", "weibull", "lower", "higher"])


@QUICK
@given(SAMPLES, SMALL_LEVELS, st.sampled_from(PLAIN), RULES, st.sampled_from(list(SHORTFALLS)))
def test_shortfall_is_at_least_var_and_both_rise_with_the_level(sample, level, method, rule, mean):
    terms = Terms(level=level, quantile=rule, shortfall=mean)
    deeper = Terms(level=level + 0.005, quantile=rule, shortfall=mean)
    one, next_ = tail_by(sample, method, terms), tail_by(sample, method, deeper)
    assert one.es >= one.var - 1e-12
    assert next_.var >= one.var - 1e-9
    assert next_.es >= one.es - 1e-9


@QUICK
@given(SAMPLES, SMALL_LEVELS, st.sampled_from(PLAIN), st.floats(0.1, 9.0), st.floats(-0.3, 0.3))
def test_scale_and_translation(sample, level, method, factor, shift):
    terms = Terms(level=level)
    one, moved = tail_by(sample, method, terms), tail_by(sample * factor + shift, method, terms)
    assert moved.var == pytest.approx(one.var * factor - shift, abs=1e-7)
    assert moved.es == pytest.approx(one.es * factor - shift, abs=1e-7)


@QUICK
@given(
    arrays(np.float64, st.tuples(st.integers(8, 50), st.just(2)), elements=RETURN), SMALL_LEVELS
)
def test_shortfall_of_a_sum_is_at_most_the_sum_of_shortfalls(block, level):
    tail = round(1.0 - level, 12)
    both = sample_tail(block.sum(axis=1), tail, "inverted_cdf", "tail")[1]
    alone = sum(sample_tail(block[:, i], tail, "inverted_cdf", "tail")[1] for i in range(2))
    assert both <= alone + 1e-12


@QUICK
@given(
    arrays(np.float64, st.tuples(st.integers(25, 60), st.just(3)), elements=RETURN),
    arrays(np.float64, 3, elements=st.floats(-2, 2).map(lambda x: round(x, 3))),
    SMALL_LEVELS,
    st.sampled_from(["historical", "gaussian", "cornish_fisher"]),
    st.sampled_from([1, 3]),
)
def test_components_sum_and_do_not_depend_on_the_order(block, weights, level, method, horizon):
    block = block + np.linspace(-0.01, 0.012, block.size).reshape(block.shape)
    terms = Terms(level=level, horizon=horizon)
    found = components(block, weights, method, terms)
    assert found.component_var.sum() == pytest.approx(found.var, abs=1e-9)
    assert found.component_es.sum() == pytest.approx(found.es, abs=1e-9)
    order = np.array([2, 0, 1])
    turned = components(block[:, order], weights[order], method, terms)
    assert turned.es == pytest.approx(found.es, abs=1e-9)
    assert turned.alone_es == pytest.approx(found.alone_es[order], abs=1e-9)


@QUICK
@given(SAMPLES, SMALL_LEVELS, st.randoms(use_true_random=False))
def test_the_order_of_returns_does_not_matter(sample, level, random):
    turned = sample.copy()
    random.shuffle(turned)
    for method in ("historical", "gaussian", "cornish_fisher"):
        one, other = (tail_by(x, method, Terms(level=level)) for x in (sample, turned))
        assert (other.var, other.es) == pytest.approx((one.var, one.es), abs=1e-9)


@QUICK
@given(st.floats(-2.5, 2.5), st.floats(-2, 12))
def test_the_domain_of_cornish_fisher_is_where_its_quantile_rises(skew, kurt):
    z = np.concatenate([-np.geomspace(500, 1e-3, 4000), np.geomspace(1e-3, 500, 4000)])
    slopes = np.diff(cornish_fisher_quantile(z, Moments(0.0, 1.0, skew, kurt))) / np.diff(z)
    if abs(slopes.min()) > 1e-3:
        assert in_domain(skew, kurt) == (slopes.min() > 0.0)


def test_outside_its_domain_cornish_fisher_says_so_refuses_or_is_historical():
    sample = np.concatenate([np.random.default_rng(1).normal(0, 0.01, 300), [-0.3, -0.2]])
    told = measure_of(sample, "cornish_fisher", Terms(outside="state"))
    assert any("outside the domain" in note for note in told.notes)
    with pytest.raises(Invalid) as caught:
        measure_of(sample, "cornish_fisher", Terms(outside="refuse"))
    assert caught.value.code == "risk.cornish_fisher_domain"
    instead = measure_of(sample, "cornish_fisher", Terms(outside="historical"))
    plain = measure_of(sample, "historical")
    assert (instead.var, instead.es) == (plain.var, plain.es)
    assert any("historical figures" in note for note in instead.notes)


@pytest.fixture(scope="module")
def year():
    return np.random.default_rng(21).standard_t(5, 500) * 0.01


@pytest.mark.parametrize("method", METHODS)
def test_every_method_tells_errors_horizon_and_what_was_missing(method, year):
    holes = np.insert(year, [3, 50, 90], np.nan)
    terms = Terms(level=0.95, draws=2_048)
    one = measure_of(holes, method, terms)
    assert (one.observations, one.missing) == (500, 3)
    assert any("3 missing" in note for note in one.notes)
    assert one.es >= one.var > 0.0
    assert 0.0 <= one.var_error < one.var
    assert one.errors
    far = measure_of(year, method, Terms(level=0.95, horizon=4, draws=2_048))
    assert 1.2 < far.var / one.var < 3.2
    rooted = measure_of(year, method, Terms(horizon=4, scaling="sqrt_time", draws=2_048))
    assert rooted.var == pytest.approx(2.0 * measure_of(year, method, terms).var, rel=1e-12)
    assert rooted.scaling == "square root of time"
    plain = one.as_dict()
    assert all(math.isfinite(value) for value in plain["figures"].values())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("returns", "code"),
    [
        ([], "risk.empty"),
        ([np.nan, np.nan], "risk.empty"),
        ([0.01], "risk.too_few"),
        ([0.01, np.inf, 0.0], "risk.not_finite"),
        ([0.01, 1e300, 0.0], "risk.absurd"),
    ],
)
def test_bad_samples_are_refused_by_every_method(method, returns, code):
    with pytest.raises(Invalid) as caught:
        measure_of(returns, method)
    assert caught.value.code == code


@pytest.mark.parametrize("method", METHODS)
def test_constant_prices_have_no_risk_and_that_is_said(method):
    found = measure_of(np.zeros(250), method, Terms(horizon=3))
    assert (found.var, found.es, found.var_error) == (0.0, 0.0, None)
    assert any("Nothing varies" in note for note in found.notes)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"level": 1.5}, "risk.level"),
        ({"horizon": 0}, "risk.horizon"),
        ({"horizon": 100_000}, "risk.horizon"),
        ({"quantile": "type12"}, "risk.quantile"),
        ({"shortfall": "worst"}, "risk.shortfall"),
        ({"scaling": "linear"}, "risk.scaling"),
        ({"outside": "hope"}, "risk.outside"),
        ({"decay": 1.0}, "risk.decay"),
        ({"ageing": float("nan")}, "risk.ageing"),
        ({"threshold": 0.2}, "risk.threshold"),
        ({"draws": 10**9}, "risk.draws"),
        ({"ddof": 2}, "risk.ddof"),
        ({"seed": -1}, "risk.seed"),
    ],
)
def test_absurd_terms_are_refused(asked, code):
    with pytest.raises(Invalid) as caught:
        terms_of(**asked)
    assert caught.value.code == code


@pytest.mark.parametrize("method", ["student", "ewma", "fhs", "garch", "fhs_garch", "evt"])
def test_too_short_a_history_is_refused_by_name(method):
    with pytest.raises(Invalid) as caught:
        measure_of([0.01, -0.02, 0.005], method)
    assert caught.value.code == "risk.too_few"


def test_extreme_values_below_the_threshold_are_refused(year):
    with pytest.raises(Invalid) as caught:
        measure_of(year, "evt", Terms(level=0.5))
    assert caught.value.code == "risk.evt_level"
    wild = -(np.random.default_rng(2).random(2000) ** -1.6)
    with pytest.raises(Invalid) as caught:
        measure_of(wild, "evt", Terms(level=0.99))
    assert caught.value.code == "risk.evt_infinite"


def test_quantiles_go_by_number_too(year):
    assert terms_of(quantile="7").quantile == "linear"
    assert terms_of(quantile="type1").quantile == "inverted_cdf"


def test_a_book_is_drawn_jointly_and_measured_on_common_rows(year):
    other = 0.5 * year + np.random.default_rng(5).normal(0, 0.01, year.size)
    other[7] = np.nan
    columns, weights = {"A": year, "B": other, "C": np.zeros(year.size)}, {"A": 0.6, "B": 0.4}
    terms = Terms(level=0.99, draws=4_096)
    history = measure_book(columns, weights, "historical", terms)
    drawn = measure_book(columns, {**weights, "C": 0.2}, "monte_carlo", terms)
    assert (history.observations, history.missing) == (499, 1)
    assert drawn.var == pytest.approx(history.var, rel=0.4)
    assert any("never move" in note for note in drawn.notes)
    assert 2.1 <= drawn.figures["copula_degrees"] <= 100.0
    again = measure_book(columns, {**weights, "C": 0.2}, "monte_carlo", terms)
    assert again == drawn


@pytest.mark.parametrize(
    ("weights", "code"),
    [({}, "risk.weights"), ({"A": math.inf}, "risk.weights"), ({"Z": 1.0}, "risk.weights")],
)
def test_books_without_positions_or_price_are_refused(year, weights, code):
    with pytest.raises(Invalid) as caught:
        measure_book({"A": year}, weights)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("block", "weights", "code"),
    [
        (np.zeros((0, 2)), np.ones(2), "risk.empty"),
        (np.zeros((1, 2)), np.ones(2), "risk.too_few"),
        (np.zeros((9, 0)), np.ones(0), "risk.empty"),
        (np.full((9, 2), np.nan), np.ones(2), "risk.not_finite"),
        (np.zeros((9, 2)), np.array([1.0, np.nan]), "risk.weights"),
        (np.zeros((9, 2)), np.array([1.0, 1e200]), "risk.weights"),
        (np.zeros((9, 2)), np.ones(3), "risk.weights"),
    ],
)
def test_components_refuse_what_is_no_book(block, weights, code):
    with pytest.raises(Invalid) as caught:
        components(block, weights)
    assert caught.value.code == code


def test_components_of_a_book_that_nets_to_nothing_are_nothing():
    returns = np.random.default_rng(3).normal(0, 0.01, (60, 1)).repeat(2, axis=1)
    found = components(returns, np.array([1.0, -1.0]), "gaussian")
    assert found.var == pytest.approx(0.0, abs=1e-15)
    assert found.component_var.sum() == pytest.approx(0.0, abs=1e-15)
    assert {*found.as_rows(("A", "B"), np.array([1.0, -1.0]))[0]} >= set(FIELDS)


def test_drawdowns_by_hand():
    found = drawdowns([0.1, -0.5, 1.0, -0.25], Terms(level=0.75))
    assert found.deepest == pytest.approx(0.5)
    assert found.average == pytest.approx((0.0 + 0.5 + 0.0 + 0.25) / 4)
    plain = drawdowns([0.1, -0.5, 1.0, -0.25], Terms(level=0.75), compounded=False)
    assert plain.deepest == pytest.approx(0.5)
    assert plain.average == pytest.approx((0.0 + 0.5 + 0.0 + 0.25) / 4)


def test_values_beyond_all_numbers_are_refused():
    for ask in (drawdowns, lambda returns: measure_of(returns, "historical", Terms(horizon=80))):
        with pytest.raises(Invalid) as caught:
            ask([9e5] * 90 + [8e5] * 10)
        assert caught.value.code == "risk.absurd"


def test_drawdown_to_come_of_steady_losses_is_certain():
    found = drawdown_ahead([-0.01] * 40, Terms(horizon=10))
    assert found.expected == pytest.approx(1 - 0.99**10)
    assert found.at_risk == pytest.approx(found.expected)
    assert found.expected_error == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(Invalid):
        drawdown_ahead([-0.01] * 40, Terms(horizon=1))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"spreads": np.array([0.001, np.nan])}, "spreads"),
        ({"spreads": np.array([0.001, -0.1])}, "spreads"),
        ({"spreads": np.zeros(2), "volumes": np.array([1.0, 0.0])}, "volumes"),
        ({"spreads": np.zeros(2), "volumes": np.ones(2), "participation": 0.0}, "participation"),
        ({"spreads": np.zeros(2), "volumes": np.full(2, 1e-9)}, "volumes"),
    ],
)
def test_liquidity_without_a_market_is_refused(given, field):
    returns = np.random.default_rng(1).normal(0, 0.01, (50, 2))
    with pytest.raises(Invalid) as caught:
        liquidity_adjusted(returns, np.array([0.5, 0.5]), Terms(), **given)
    assert caught.value.code == "risk.liquidity"
    assert caught.value.details["field"] == field


def test_a_share_and_a_coin_meet_on_the_sessions_of_both():
    # Friday, Saturday, Sunday, Monday, Tuesday: the share rests at the weekend.
    share = (np.array([1, 4, 5]), np.array([100.0, 110.0, 99.0]))
    coin = (np.arange(1, 6), np.array([10.0, 11.0, 12.0, 15.0, 12.0]))
    found = common_sessions({"share": share, "coin": coin})
    assert found.returns == pytest.approx(np.array([[0.1, 0.5], [-0.1, -0.2]]))
    assert found.left_out == {"share": 0, "coin": 2}
    assert "2 price(s) of coin" in found.notes[0]
    assert (periods_in(10, 252), periods_in(10, 365)) == (7, 10)


@pytest.mark.parametrize(
    ("prices", "code"),
    [
        ({}, "risk.empty"),
        ({"A": ([1, 2, 3], [1.0, 2.0, 3.0]), "B": ([1, 2, 3], [np.nan] * 3)}, "risk.no_price"),
        ({"A": ([1, 2, 3], [1.0, -2.0, 3.0])}, "risk.price"),
        ({"A": ([1, 3, 2], [1.0, 2.0, 3.0])}, "risk.price"),
        ({"A": ([1, 2], [1.0, 2.0]), "B": ([3, 4], [1.0, 2.0])}, "risk.too_few"),
    ],
)
def test_positions_without_price_are_named_and_refused(prices, code):
    with pytest.raises(Invalid) as caught:
        common_sessions(prices)
    assert caught.value.code == code


def test_loops_equal_their_plain_twins(year):
    squares = year**2
    given_ = (squares, 1e-6, 0.1, 0.85, float(squares.mean()))
    assert np.array_equal(variances_1d(*given_), variances_1d.py_func(*given_))
    law = (year, 0.0, 1e-6, 0.1, 0.85, 1e-12)
    assert garch_loss_1d(*law) == pytest.approx(garch_loss_1d.py_func(*law), rel=1e-12)
    block, weights, out = year.reshape(100, 5), np.arange(5.0), np.empty(100)
    weighted_2d(block, weights, out)
    assert out == pytest.approx(block @ weights, rel=1e-12)
    picks = np.random.default_rng(0).integers(0, year.size, (20, 8))
    assert deepest_2d(year, picks) == pytest.approx(deepest_2d.py_func(year, picks), rel=1e-12)
