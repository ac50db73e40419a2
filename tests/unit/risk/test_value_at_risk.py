"""VaR and ES against Lean, empyrical, scipy and sums done by hand."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from apps.core.errors import Invalid
from apps.risk.kernel.expected_shortfall import expected_shortfall
from apps.risk.kernel.samples import combine, moments
from apps.risk.kernel.value_at_risk import METHODS, value_at_risk

LEAN = Path(__file__).parents[2] / "data" / "risk" / "lean_spy_var.csv"
TEN = [-0.05, -0.03, -0.02, -0.01, 0.0, 0.01, 0.01, 0.02, 0.03, 0.04, 0.05]


@pytest.fixture
def fat_tails():
    return np.random.default_rng(7).standard_t(5, 750) * 0.01 - 0.0004


@pytest.mark.parametrize("level", [0.99, 0.95, 0.90])
def test_gaussian_rolls_like_lean(level):
    with LEAN.open() as file:
        rows = list(csv.DictReader(file))
    close = np.array([float(row["close"]) for row in rows])
    returns = close[1:] / close[:-1] - 1.0
    for i in range(260, len(rows), 7):
        mine = value_at_risk(returns[i - 252 : i], level, "gaussian", ddof=1)
        assert -mine == pytest.approx(float(rows[i][f"VaR_{level:.0%}"[:-1]]), abs=2e-8)


def test_historical_by_hand():
    # 11 observations: the 10 % quantile is the second smallest, the 25 % one lies between
    # the third and the fourth.
    assert value_at_risk(TEN, 0.90) == pytest.approx(0.03)
    assert expected_shortfall(TEN, 0.90) == pytest.approx(0.04)
    assert value_at_risk(TEN, 0.75) == pytest.approx(0.015)
    assert expected_shortfall(TEN, 0.75) == pytest.approx((0.05 + 0.03 + 0.02) / 3)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.975, 0.99])
def test_historical_equals_empyrical(fat_tails, level):
    import empyrical

    peer = empyrical.value_at_risk(fat_tails, cutoff=round(1 - level, 12))
    assert -value_at_risk(fat_tails, level) == pytest.approx(peer, abs=1e-15)


def test_historical_shortfall_equals_empyrical_where_the_tail_is_whole():
    import empyrical

    # empyrical averages the int((n - 1) q) + 1 smallest; alike when (n - 1) q is whole.
    returns = np.random.default_rng(1).normal(0, 0.01, 501)
    peer = empyrical.conditional_value_at_risk(returns, cutoff=0.05)
    assert -expected_shortfall(returns, 0.95) == pytest.approx(peer, abs=1e-15)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_gaussian_equals_scipy(fat_tails, level):
    law = stats.norm(fat_tails.mean(), fat_tails.std())
    quantile = law.ppf(1 - level)
    tail_mean = law.expect(lambda x: x, ub=quantile, conditional=True)
    assert value_at_risk(fat_tails, level, "gaussian") == pytest.approx(-quantile, rel=1e-12)
    assert expected_shortfall(fat_tails, level, "gaussian") == pytest.approx(-tail_mean, rel=1e-7)


def test_cornish_fisher_shortfall_is_the_mean_of_the_edgeworth_tail(fat_tails):
    s, k = stats.skew(fat_tails), stats.kurtosis(fat_tails)
    z = stats.norm.ppf(0.05)
    h = z + (z**2 - 1) * s / 6 + (z**3 - 3 * z) * k / 24 - (2 * z**3 - 5 * z) * s**2 / 36
    he = np.polynomial.hermite_e.hermeval

    def density(x):
        bend = 1 + s / 6 * he(x, [0, 0, 0, 1]) + k / 24 * he(x, [0, 0, 0, 0, 1])
        return stats.norm.pdf(x) * (bend + s**2 / 72 * he(x, [0, 0, 0, 0, 0, 0, 1]))

    tail, _ = integrate.quad(lambda x: x * density(x), -12, h)
    m, sd = fat_tails.mean(), fat_tails.std()
    assert value_at_risk(fat_tails, 0.95, "cornish_fisher") == pytest.approx(-(m + h * sd))
    expected = -(m + sd * tail / 0.05)
    assert expected_shortfall(fat_tails, 0.95, "cornish_fisher") == pytest.approx(expected)


def test_cornish_fisher_is_gaussian_without_skew_and_kurtosis():
    # Four points whose skewness is 0 and kurtosis exactly 3: +-a twelve times, +-b once each.
    values = np.array([1.0, -1.0, 0.0, 0.0, 0.0, 0.0])
    assert moments(values).skewness == 0.0
    assert moments(values).excess_kurtosis == pytest.approx(0.0)
    assert value_at_risk(values, 0.99, "cornish_fisher") == pytest.approx(
        value_at_risk(values, 0.99, "gaussian")
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0.92, 0.95, 0.999])
def test_shortfall_is_never_below_value_at_risk(fat_tails, method, level):
    assert expected_shortfall(fat_tails, level, method) >= value_at_risk(fat_tails, level, method)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_loss_is_its_own_risk(method):
    assert value_at_risk([-0.1] * 30, 0.95, method) == pytest.approx(0.1)
    assert expected_shortfall([-0.1] * 30, 0.95, method) == pytest.approx(0.1)


@pytest.mark.parametrize("method", METHODS)
def test_missing_observations_are_left_out(fat_tails, method):
    holes = np.insert(fat_tails, [3, 50], np.nan)
    assert value_at_risk(holes, 0.95, method) == value_at_risk(fat_tails, 0.95, method)


def test_horizon_compounds_history_and_scales_parameters(fat_tails):
    two = [(1 + a) * (1 + b) - 1 for a, b in itertools.pairwise(fat_tails)]
    assert value_at_risk(fat_tails, 0.95, horizon=2) == pytest.approx(value_at_risk(two, 0.95))
    m, sd = fat_tails.mean(), fat_tails.std()
    expected = -(4 * m + 2 * sd * stats.norm.ppf(0.05))
    assert value_at_risk(fat_tails, 0.95, "gaussian", horizon=4) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("returns", "options", "code"),
    [
        ([], {}, "risk.empty"),
        ([np.nan, np.nan], {}, "risk.empty"),
        ([0.01], {}, "risk.too_few"),
        ([0.01, np.inf], {}, "risk.not_finite"),
        ([[0.01, 0.02]], {}, "risk.shape"),
        (["a", "b"], {}, "risk.not_a_number"),
        (TEN, {"level": 0.0}, "risk.level"),
        (TEN, {"level": 1.0}, "risk.level"),
        (TEN, {"level": float("nan")}, "risk.level"),
        (TEN, {"method": "crystal_ball"}, "risk.method"),
        (TEN, {"horizon": 0}, "risk.horizon"),
        (TEN, {"horizon": 11}, "risk.horizon"),
    ],
)
@pytest.mark.parametrize("measure", [value_at_risk, expected_shortfall])
def test_bad_input_is_refused_with_a_code(measure, returns, options, code):
    with pytest.raises(Invalid) as caught:
        measure(returns, **options)
    assert caught.value.code == code


def test_portfolio_is_the_weighted_sum_of_its_columns():
    columns = {"A": [0.01, np.nan, 0.02], "B": [0.03, 0.01, -0.01]}
    assert combine(columns, {"A": 0.5, "B": 0.25}) == pytest.approx([0.0125, 0.0075])
    with pytest.raises(Invalid) as caught:
        combine(columns, {"C": 1.0})
    assert caught.value.code == "risk.weights"
