"""Measures against other libraries, the literature and closed forms."""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from apps.core.errors import Invalid
from apps.risk.kernel import sampling_errors as errors
from apps.risk.kernel.components import components
from apps.risk.kernel.conventions import QUANTILES, Terms
from apps.risk.kernel.drawdown import drawdowns
from apps.risk.kernel.empirical import age_weights, sample_tail, weighted_tail
from apps.risk.kernel.filtered import (
    ewma_variances,
    fit_garch,
    garch_variances,
    variance_over,
)
from apps.risk.kernel.liquidity import liquidity_adjusted
from apps.risk.kernel.measures import measure_of
from apps.risk.kernel.monte_carlo import factor_of, fit_copula, kendall, normal_book_returns
from apps.risk.kernel.parametric import fit_student, student_tail
from apps.risk.kernel.samples import moments
from apps.risk.kernel.tails import Pareto, fit_pareto
from tests.speed import peer_risk

KEPT = json.loads((Path(__file__).parents[2] / "data" / "risk" / "peers.json").read_text())
LEVELS = ("0.9", "0.95", "0.975", "0.99")


@pytest.fixture(scope="module")
def block():
    return peer_risk.returns()


@pytest.fixture(scope="module")
def book(block):
    return block @ np.array(peer_risk.WEIGHTS)


@pytest.mark.parametrize("peer", ["skfolio", "arch", "statsmodels"])
def test_peers_still_give_the_figures_that_are_kept(peer):
    # These are installed with the lab or for its tests, so they are called in every run. The
    # figures of Riskfolio-Lib and pyextremes are kept: ``python -m tests.speed.peer_risk``.
    figures, _ = peer_risk.PEERS[peer]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        now = json.loads(json.dumps(figures(), default=float))
    loose = {"arch": 2e-3, "statsmodels": 2e-3}.get(peer, 1e-9)
    assert_alike(now, KEPT[peer]["figures"], loose)


def assert_alike(found, kept, rel):
    if isinstance(kept, dict):
        assert set(found) == set(kept)
        for name in kept:
            assert_alike(found[name], kept[name], rel)
    else:
        assert found == pytest.approx(kept, rel=rel)


@pytest.mark.parametrize("peer", ["skfolio", "riskfolio"])
@pytest.mark.parametrize("level", LEVELS)
def test_step_quantile_and_exact_tail_equal_skfolio_and_riskfolio(book, peer, level):
    kept = KEPT[peer]["figures"][level]
    tail = round(1.0 - float(level), 12)
    var, es = sample_tail(book, tail, "inverted_cdf", "tail")
    assert (var, es) == pytest.approx((kept["var"], kept["es"]), rel=1e-12)


@pytest.mark.parametrize("peer", ["skfolio", "riskfolio"])
@pytest.mark.parametrize("level", LEVELS)
def test_drawdowns_equal_skfolio_and_riskfolio(book, peer, level):
    kept = KEPT[peer]["figures"][level]
    terms = Terms(level=float(level), quantile="inverted_cdf", shortfall="tail")
    found = drawdowns(book, terms)
    expected = (kept["drawdown_at_risk"], kept["conditional_drawdown"], kept["average_drawdown"])
    # skfolio's own rounding of the tail's mass reaches the ninth digit of its mean.
    assert (found.at_risk, found.conditional, found.average) == pytest.approx(expected, rel=1e-8)
    assert found.deepest == pytest.approx(kept["max_drawdown"], rel=1e-12)
    if peer == "riskfolio":
        plain = drawdowns(book, terms, compounded=False)
        assert plain.at_risk == pytest.approx(kept["drawdown_at_risk_plain"], rel=1e-10)
        assert plain.conditional == pytest.approx(kept["conditional_drawdown_plain"], rel=1e-10)


@pytest.mark.parametrize("level", LEVELS)
def test_components_equal_riskfolios_slopes(block, level):
    # Riskfolio-Lib takes differences of weights by 1e-4 or so: alike to that order.
    kept = KEPT["riskfolio"]["figures"][level]["es_contributions"]
    terms = Terms(level=float(level), quantile="inverted_cdf", shortfall="tail")
    found = components(block, np.array(peer_risk.WEIGHTS), "historical", terms)
    assert found.component_es == pytest.approx(kept, rel=2e-3)
    assert found.component_es.sum() == pytest.approx(found.es, abs=1e-12)
    assert found.component_var.sum() == pytest.approx(found.var, abs=1e-12)


def test_garch_equals_arch(book):
    kept = KEPT["arch"]["figures"]
    law = fit_garch(book)
    for name in ("omega", "alpha", "beta"):
        assert getattr(law, name) == pytest.approx(kept[name], rel=5e-3)
    assert law.mean == pytest.approx(kept["mean"], abs=2e-6)
    # arch sets the mean square before the first residual by the sample's mean: hardly another.
    assert law.log_likelihood == pytest.approx(kept["log_likelihood"], abs=0.02)
    forecast = float(garch_variances(book, law)[-1])
    assert forecast == pytest.approx(kept["variances"][0], rel=2e-3)
    whole = variance_over(law, forecast, 10)
    assert whole == pytest.approx(sum(kept["variances"]), rel=2e-3)


def test_garch_finds_its_own_world():
    # The benchmark of Fiorentini, Calzolari and Panattoni (1996) was met too: see SOURCE.md.
    rng = np.random.default_rng(2)
    returns, variance = np.empty(6000), 1e-4
    for i in range(6000):
        returns[i] = math.sqrt(variance) * rng.standard_normal()
        variance = 2e-6 + 0.08 * returns[i] ** 2 + 0.90 * variance
    law = fit_garch(returns)
    assert (law.alpha, law.beta) == pytest.approx((0.08, 0.90), abs=0.03)
    errs = errors.of_garch(returns, Terms())
    assert 0.0 < errs.var < 0.1 * abs(measure_of(returns, "garch").var)


def test_ewma_equals_arch(book):
    kept = KEPT["arch"]["figures"]
    variances = ewma_variances(book, peer_risk.DECAY)
    assert variances[-1] == pytest.approx(kept["ewma"], rel=1e-12)
    assert np.sqrt(variances[:-1][::100]) == pytest.approx(kept["ewma_path"], rel=1e-10)
    found = measure_of(book, "ewma", Terms(level=0.99))
    assert found.var == pytest.approx(-stats.norm.ppf(0.01) * math.sqrt(kept["ewma"]), rel=1e-12)


def test_student_law_equals_statsmodels_and_scipy(book):
    kept = KEPT["statsmodels"]["figures"]
    law = fit_student(book)
    assert law.log_likelihood == pytest.approx(kept["log_likelihood"], abs=1e-6)
    assert law.degrees == pytest.approx(kept["degrees"], rel=1e-4)
    assert law.scale == pytest.approx(kept["scale"], rel=1e-4)
    peer = stats.t(law.degrees, law.location, law.scale)
    tail_mean = peer.expect(lambda x: x, ub=peer.ppf(0.025), conditional=True)
    found = measure_of(book, "student", Terms(level=0.975))
    assert (found.var, found.es) == pytest.approx((-peer.ppf(0.025), -tail_mean), rel=1e-5)


def test_student_errors_are_those_of_statsmodels(book):
    kept = KEPT["statsmodels"]["figures"]
    found = measure_of(book, "student", Terms(level=0.5))
    # At the median VaR is the location alone.
    assert found.var_error == pytest.approx(kept["errors"][0], rel=0.02)


def test_tail_law_equals_pyextremes_and_scipy(book):
    kept = KEPT["pyextremes"]["figures"]
    law = fit_pareto(-book, 0.9)
    assert law.threshold == pytest.approx(kept["threshold"], rel=1e-12)
    over = -book[-book > law.threshold] - law.threshold
    ours = stats.genpareto.logpdf(over, law.shape, 0, law.scale).sum()
    theirs = stats.genpareto.logpdf(over, kept["shape"], 0, kept["scale"]).sum()
    assert ours >= theirs - 1e-9
    assert (law.shape, law.scale) == pytest.approx((kept["shape"], kept["scale"]), rel=2e-3)


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_tail_figures_are_those_of_the_law(shape):
    law = Pareto(shape, 0.01, 0.02, 100, 1000)
    peer = stats.genpareto(shape, 0.02, 0.01)
    var, es = law.tail_at(0.01)
    assert var == pytest.approx(peer.ppf(0.9), rel=1e-9)
    tail_mean = peer.expect(lambda x: x, lb=var, conditional=True)
    assert es == pytest.approx(tail_mean, rel=1e-5)


def test_age_weights_are_those_of_the_paper():
    # The example of Boudoukh, Richardson and Whitelaw (1998), 100 days at 0.98, as printed by
    # Allen, Boudoukh and Saunders (2004), table 1.3: days ago, weight; the 5 % VaR is 2.73 %.
    days = {3: 0.0221, 2: 0.0226, 65: 0.0063, 45: 0.0095, 5: 0.0213, 30: 0.0128}
    worst = dict(zip(days, (-0.033, -0.029, -0.027, -0.025, -0.024, -0.023), strict=True))
    weights = age_weights(100, 0.98)
    returns = np.full(100, 0.01)
    for ago, printed in days.items():
        assert weights[-ago] == pytest.approx(printed, abs=6e-5)
        returns[-ago] = worst[ago]
    assert weighted_tail(returns, weights, 0.05)[0] == pytest.approx(0.0273, abs=6e-5)


def test_weighted_step_quantile_equals_numpy(book):
    weights = age_weights(book.size, 0.99)
    for tail in (0.01, 0.05, 0.1):
        peer = np.quantile(book, tail, weights=weights, method="inverted_cdf")
        assert -weighted_tail(book, weights, tail, linear=False)[0] == peer


@pytest.mark.parametrize("rule", [name for name, number in QUANTILES.items() if number])
def test_quantile_rules_are_numpys_also_for_long_samples(rule):
    sample = np.random.default_rng(4).standard_t(4, 60_000)
    for tail in (0.01, 0.05):
        var, es = sample_tail(sample, tail, rule)
        peer = float(np.quantile(sample, tail, method=rule))
        assert -var == pytest.approx(peer, rel=1e-14)
        assert -es == pytest.approx(sample[sample <= peer].mean(), rel=1e-12)


def test_order_statistic_errors_equal_scipys(book):
    for tail in (0.01, 0.05, 0.25):
        peer = float(stats.mstats.mjci(book, [tail])[0])
        assert errors.maritz_jarrett(np.sort(book), tail) == pytest.approx(peer, rel=1e-6)


@pytest.mark.parametrize(
    ("method", "count"), [("historical", 120), ("gaussian", 120), ("student", 30), ("evt", 40)]
)
def test_standard_errors_are_the_spread_between_samples(method, count):
    worlds = np.random.default_rng(12).standard_t(6, (count, 400)) * 0.01
    found = [measure_of(world, method, Terms(level=0.95)) for world in worlds]
    for name in ("var", "es"):
        spread = np.std([getattr(one, name) for one in found], ddof=1)
        told = np.median([getattr(one, f"{name}_error") for one in found])
        # Errors of a normal law know nothing of fat tails: too small there by design.
        low = 0.5 if method == "gaussian" else 0.6
        assert low < told / spread < 1.7


def test_liquidation_over_equal_periods_has_the_closed_form():
    rng = np.random.default_rng(3)
    returns = rng.normal(0, 0.01, (500, 3))
    returns -= returns.mean(axis=0)
    weights = np.array([0.4, 0.4, 0.2])
    for periods in (1, 2, 10):
        found = liquidity_adjusted(
            returns,
            weights,
            Terms(level=0.99),
            spreads=np.array([0.001, 0.002, 0.004]),
            volumes=weights * 10 / periods,
            participation=0.1,
        )
        factor = math.sqrt((periods + 1) * (2 * periods + 1) / (6 * periods))
        assert found.liquidation_var == pytest.approx(found.var * factor, rel=1e-10)
        assert found.spread_cost == pytest.approx(0.5 * (0.0004 + 0.0008 + 0.0008))
        assert found.adjusted_var == found.liquidation_var + found.spread_cost


def test_many_normal_paths_meet_the_closed_form_and_do_not_depend_on_threads():
    rng = np.random.default_rng(6)
    root = rng.normal(0, 0.01, (8, 8))
    covariance, weights = root @ root.T, rng.normal(0, 0.3, 8)
    one = normal_book_returns(np.zeros(8), covariance, weights, 100_000, seed=3, threads=1)
    two = normal_book_returns(np.zeros(8), covariance, weights, 100_000, seed=3, threads=2)
    assert np.array_equal(one, two)
    sd = math.sqrt(weights @ covariance @ weights)
    assert one.std() == pytest.approx(sd, rel=0.01)
    assert sample_tail(one, 0.01)[0] == pytest.approx(-stats.norm.ppf(0.01) * sd, rel=0.02)


def test_a_singular_covariance_is_factored_and_an_impossible_one_refused():
    singular = np.array([[1.0, 1.0], [1.0, 1.0]])
    factor = factor_of(singular)
    assert factor @ factor.T == pytest.approx(singular)
    for bad in (
        [[1.0, 2.0], [2.0, 1.0]],
        [[1.0, 0.5], [0.1, 1.0]],
        [[1.0, np.nan], [np.nan, 1.0]],
    ):
        with pytest.raises(Invalid) as caught:
            factor_of(np.array(bad))
        assert caught.value.code == "risk.covariance"


def test_copula_is_the_one_that_was_drawn_from():
    rng = np.random.default_rng(8)
    correlation = np.array([[1.0, 0.6, -0.3], [0.6, 1.0, 0.1], [-0.3, 0.1, 1.0]])
    drawn = stats.multivariate_t(np.zeros(3), correlation, 4, seed=rng).rvs(1500)
    drawn[:, 1] = np.exp(drawn[:, 1] / 10)
    found = fit_copula(drawn)
    assert found.correlation == pytest.approx(correlation, abs=0.07)
    assert 2.8 < found.degrees < 6.0
    peer = stats.kendalltau(drawn[:, 0], drawn[:, 1]).statistic
    assert kendall(drawn)[0, 1] == pytest.approx(peer, rel=1e-12)


def test_student_tail_equals_monte_carlo():
    rng = np.random.default_rng(15)
    sample = rng.standard_t(5, 1000) * 0.01
    law = fit_student(sample)
    var, es = student_tail(law.location, law.scale, law.degrees, 0.025)
    found = measure_of(sample, "monte_carlo", Terms(level=0.975))
    assert found.var == pytest.approx(var, abs=5 * max(found.var_error, 1e-5))
    assert found.es == pytest.approx(es, abs=5 * max(found.es_error, 1e-5))


# Of the first 100 months of EDHEC's convertible arbitrage index, as PerformanceAnalytics holds it
# (the series is GPL and not kept): the seven lowest returns, mean, deviation, skewness, excess
# kurtosis. They are all that its five figures depend on.
EDHEC_LOWEST = (-0.0319, -0.0316, -0.0214, -0.0196, -0.0159, -0.0140, -0.0128)
EDHEC_MOMENTS = (0.007547, 0.01196460158133149, -0.8925105886315036, 1.3048400638649635)


def months_like_edhec():
    """A hundred months with that tail and those moments: a cubic of 93 steps above it."""
    points = np.linspace(-1.0, 1.0, 93)

    def months(parts):
        return np.concatenate([EDHEC_LOWEST, np.polyval(parts, points)])

    def gaps(parts):
        made = moments(months(parts))
        seen = (made.mean, made.sd, made.skewness, made.excess_kurtosis)
        return (np.array(seen) - EDHEC_MOMENTS) / (0.01, 0.01, 1.0, 1.0)

    parts = optimize.fsolve(gaps, (0.0, 0.0, 0.008, 0.0095), xtol=1e-13)
    made = months(parts)
    assert np.abs(gaps(parts)).max() < 1e-9
    assert made[7:].min() > EDHEC_LOWEST[-1]
    return made


# PerformanceAnalytics, tests/testthat/test-VaR_archive_baseline.R and test-ES_archive_baseline.R
# (commit c079aea14727): VaR and ES of that column at p = 0.95, as its authors assert them.
@pytest.mark.parametrize(
    ("method", "var", "es"),
    [
        ("gaussian", 0.012133, 0.017133),
        ("cornish_fisher", 0.014674, None),
        ("historical", 0.014095, 0.02408),
    ],
)
def test_figures_are_those_performanceanalytics_asserts(method, var, es):
    found = measure_of(months_like_edhec(), method, Terms(level=0.95))
    assert found.var == pytest.approx(var, abs=6e-7)
    if es is not None:
        assert found.es == pytest.approx(es, abs=6e-7)
