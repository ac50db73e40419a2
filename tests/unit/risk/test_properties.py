"""What every method keeps, by theory, on days drawn by hypothesis; the exceptions are named.

============================  ===============================================================
ES >= VaR                     every method
VaR rising with the level     every method
ES rising with the level      all but ``cornish_fisher``: an Edgeworth tail may fall, see below
scale                         every method (fitted laws to the precision of their fit)
translation                   all but ``ewma`` (its mean is 0 by convention) and ``fhs`` (EWMA
                              takes squares around 0)
order of the days             all but those that are about the order
subadditive ES                ``historical`` (shortfall ``tail``), ``gaussian`` and ``ewma``; the
                              others fit or bend a law to each series by itself
components sum to 1e-9        every method that has them
order of the positions        every method of a book
============================  ===============================================================
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from apps.risk.kernel.components import METHODS as COMPONENT_METHODS
from apps.risk.kernel.components import components
from apps.risk.kernel.conventions import SHORTFALLS, Terms
from apps.risk.kernel.measures import METHODS, measure_book, tail_by

DAYS = 220
FITTED = ("student", "garch", "fhs_garch", "monte_carlo")
ABOUT_ORDER = ("age_weighted", "ewma", "fhs", "garch", "fhs_garch")
AROUND_ZERO = ("ewma", "fhs")
# What a change of units may move: laws are fitted by iteration, scaled numbers end it elsewhere.
NEAR = {"student": 2e-3, "garch": 2e-2, "fhs_garch": 2e-2, "monte_carlo": 4e-3, "evt": 1e-3}
LEVELS = (0.92, 0.95, 0.975, 0.99)
SEEDS = st.integers(0, 10_000)
KINDS = st.sampled_from(["normal", "fat", "skewed", "ties", "clustered"])


def days_of(kind, seed, columns=None):
    """Days of a kind: ``(DAYS,)`` or ``(DAYS, columns)``."""
    rng = np.random.default_rng(seed)
    shape = (DAYS,) if columns is None else (DAYS, columns)
    if kind == "normal":
        return rng.normal(0.0004, 0.01, shape)
    if kind == "fat":
        return rng.standard_t(4, shape) * 0.01
    if kind == "skewed":
        return 0.02 - rng.gamma(4.0, 0.005, shape)
    if kind == "ties":
        return np.round(rng.normal(0, 0.01, shape), 3)
    wave = np.exp(np.sin(np.arange(DAYS) / 17.0))
    return rng.normal(0, 0.01, shape) * (wave if columns is None else wave[:, None])


def rounds(method):
    return settings(
        max_examples=2 if method in FITTED else 5, deadline=None, derandomize=True, database=None
    )


def assume_fits(method, kind):
    """A law of extremes refuses a sample that has too few different losses."""
    assume(method != "evt" or kind != "ties")


def terms(level, **more):
    return Terms(level=level, draws=512, outside="historical", **more)


@pytest.mark.parametrize("method", METHODS)
def test_shortfall_at_least_var_and_both_rise_with_the_level(method):
    @rounds(method)
    @given(KINDS, SEEDS)
    def holds(kind, seed):
        assume_fits(method, kind)
        sample = days_of(kind, seed)
        levels = LEVELS[1::2] if method in FITTED else LEVELS
        found = [tail_by(sample, method, terms(level)) for level in levels]
        for one in found:
            assert one.es >= one.var - 1e-12
        for one, next_ in itertools.pairwise(found):
            assert next_.var >= one.var - 1e-9
            assert method == "cornish_fisher" or next_.es >= one.es - 1e-9

    holds()


def test_the_edgeworth_tail_of_cornish_fisher_may_fall_and_that_is_known():
    """docs/RISK.md says so: inside its domain too the mean of its tail is no mean of quantiles."""
    found = [
        tail_by(days_of("clustered", 0), "cornish_fisher", terms(level)) for level in (0.975, 0.99)
    ]
    assert found[0].figures["in_domain"] == found[1].figures["in_domain"] == 1.0
    assert found[1].var > found[0].var
    assert found[1].es < found[0].es


@pytest.mark.parametrize("method", METHODS)
def test_scale_and_translation(method):
    @rounds(method)
    @given(KINDS, SEEDS, st.sampled_from([0.25, 0.5, 2.0, 3.0]))
    def holds(kind, seed, factor):
        assume_fits(method, kind)
        sample = days_of(kind, seed)
        one = tail_by(sample, method, terms(0.95))
        scaled = tail_by(sample * factor, method, terms(0.95))
        near = NEAR.get(method, 1e-9)
        assert scaled.var == pytest.approx(factor * one.var, rel=near, abs=1e-9)
        assert scaled.es == pytest.approx(factor * one.es, rel=near, abs=1e-9)
        if method not in AROUND_ZERO:
            moved = tail_by(sample + 0.003, method, terms(0.95))
            assert moved.var == pytest.approx(one.var - 0.003, rel=near, abs=near * 0.02 + 1e-9)
            assert moved.es == pytest.approx(one.es - 0.003, rel=near, abs=near * 0.02 + 1e-9)

    holds()


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ABOUT_ORDER])
def test_the_order_of_the_days_does_not_matter(method):
    @rounds(method)
    @given(KINDS, SEEDS)
    def holds(kind, seed):
        assume_fits(method, kind)
        sample = days_of(kind, seed)
        turned = np.random.default_rng(seed + 1).permutation(sample)
        one, other = tail_by(sample, method, terms(0.95)), tail_by(turned, method, terms(0.95))
        near = 1e-5 if method in FITTED or method == "evt" else 1e-12
        assert (other.var, other.es) == pytest.approx((one.var, one.es), rel=near)

    holds()


@pytest.mark.parametrize("method", ABOUT_ORDER)
def test_the_others_are_about_the_order(method):
    """A calm year and then a wild month is not a wild month and then a calm year."""
    sample = days_of("normal", 3)
    sample[-30:] *= 6.0
    late = tail_by(sample, method, terms(0.95))
    early = tail_by(sample[::-1].copy(), method, terms(0.95))
    assert late.var > 1.5 * early.var


@pytest.mark.parametrize("method", ["historical", "gaussian", "ewma"])
def test_shortfall_of_a_sum_is_at_most_the_sum(method):
    @rounds(method)
    @given(KINDS, SEEDS, st.sampled_from(LEVELS))
    def holds(kind, seed, level):
        block = days_of(kind, seed, 3)
        asked = terms(level, quantile="inverted_cdf", shortfall="tail")
        both = tail_by(block.sum(axis=1), method, asked).es
        alone = sum(tail_by(block[:, i], method, asked).es for i in range(3))
        assert both <= alone + 1e-12

    holds()


def test_the_mean_at_or_below_a_quantile_is_not_subadditive_and_that_is_known():
    """Ties (decision 0101): two coins that lose on other days; of the sum both days count."""
    first, second = np.zeros(100), np.zeros(100)
    first[:5], second[4:9] = -0.10, -0.10
    each = [tail_by(x, "historical", terms(0.95, quantile="lower")).es for x in (first, second)]
    both = tail_by(first + second, "historical", terms(0.95, quantile="lower")).es
    whole = terms(0.95, quantile="inverted_cdf", shortfall="tail")
    coherent = [tail_by(x, "historical", whole).es for x in (first, second, first + second)]
    assert coherent[2] <= coherent[0] + coherent[1] + 1e-15
    assert both != pytest.approx(coherent[2])
    assert all(math.isfinite(value) for value in (*each, both))


@pytest.mark.parametrize("method", COMPONENT_METHODS)
def test_components_sum_whatever_the_book(method):
    @rounds(method)
    @given(
        KINDS,
        SEEDS,
        st.lists(st.floats(-2, 2).map(lambda x: round(x, 3)), min_size=3, max_size=3),
        st.sampled_from(LEVELS),
        st.sampled_from([1, 5]),
        st.sampled_from(["own", "sqrt_time"]),
        st.sampled_from(sorted(SHORTFALLS)),
    )
    def holds(kind, seed, weights, level, horizon, scaling, mean):
        block = days_of(kind, seed, 3)
        asked = Terms(level=level, horizon=horizon, scaling=scaling, shortfall=mean)
        found = components(block, np.array(weights), method, asked)
        assert found.component_var.sum() == pytest.approx(found.var, abs=1e-9)
        assert found.component_es.sum() == pytest.approx(found.es, abs=1e-9)
        assert found.component_es == pytest.approx(weights * found.marginal_es, abs=1e-12)

    holds()


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_positions_does_not_matter(method):
    block = days_of("fat", 8, 3)
    weights = {"A": 0.5, "B": -0.2, "C": 0.4}
    columns = {name: block[:, i] for i, name in enumerate(weights)}
    asked = Terms(level=0.95, draws=8_192)
    one = measure_book(columns, weights, method, asked)
    turned = {name: weights[name] for name in ("C", "A", "B")}
    other = measure_book(columns, turned, method, asked)
    # Monte Carlo gives each position other points to be drawn from.
    near = 0.05 if method == "monte_carlo" else NEAR.get(method, 1e-9)
    assert (other.var, other.es) == pytest.approx((one.var, one.es), rel=near)
