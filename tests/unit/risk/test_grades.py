"""Backtests of expected shortfall and the grade they come to."""

import math

import numpy as np
import pytest
from scipy import stats

from apps.core.errors import Invalid
from apps.risk.kernel.expected_shortfall import expected_shortfall
from apps.risk.kernel.grades import (
    Positions,
    backtest,
    choose,
    grade_forecasts,
    grade_models,
    joint_score,
)
from apps.risk.kernel.grades_forecasts import (
    DRAWS,
    MODELS,
    forecast,
    forecast_positions,
    refit_every,
)
from apps.risk.kernel.grades_shortfall import (
    SHAPES,
    critical_value,
    null_law,
    regression_test,
    shape_of,
    z_tests,
)
from apps.risk.kernel.samples import Rows
from apps.risk.kernel.value_at_risk import value_at_risk


def told(shape, level):
    """VaR and ES of a standard normal or t, by scipy's own quadrature of the tail."""
    law = stats.norm() if math.isinf(shape) else stats.t(shape)
    quantile = law.ppf(1 - level)
    return -quantile, -law.expect(ub=quantile) / (1 - level)


# Acerbi and Szekely (2014), Backtesting expected shortfall: critical values of Z2 at 5 % for 250
# days at 97.5 %: -0.70 for the normal and t of 10 and more, -0.74 for 5, -0.82 for 3.
@pytest.mark.parametrize(
    ("shape", "at"), [(3.0, -0.82), (5.0, -0.74), (10.0, -0.71), (math.inf, -0.70)]
)
def test_critical_values_are_the_papers(shape, at):
    assert critical_value("z2", 250, 0.975, shape) == pytest.approx(at, abs=0.02)


# MathWorks, esbacktest.unconditionalNormal and unconditionalT: 1966 days, 97.5 %, test at 99 %.
@pytest.mark.parametrize(
    ("shape", "at", "p_value"), [(math.inf, -0.34639, 0.0054099), (3.0, -0.42986, 0.018566)]
)
def test_critical_values_are_those_of_the_toolbox(shape, at, p_value):
    law = null_law(1966, 0.025, shape).z2
    assert critical_value("z2", 1966, 0.975, shape, 0.01) == pytest.approx(at, abs=0.015)
    error = math.sqrt(p_value * (1 - p_value) / len(law))
    assert np.mean(law <= -0.38265) == pytest.approx(p_value, abs=4 * error)


def test_statistics_by_hand():
    """Ten days at 80 %: losses of 3 and 5 beyond a VaR of 2, a shortfall of 3.5 was told."""
    returns = np.array([1, -3, 0, 1, 2, -5, 1, 0, 1, 1.0])
    first, second = z_tests(returns, np.full(10, 2.0), np.full(10, 3.5), 0.8)
    assert first.statistic == pytest.approx(1 - (3 / 3.5 + 5 / 3.5) / 2)
    assert second.statistic == pytest.approx(1 - (3 / 3.5 + 5 / 3.5) / (10 * 0.2))
    assert regression_test(returns, np.full(10, 2.0), np.full(10, 3.5), 0.8) is None
    # 30 % tail: quantile -0 (third worst), shortfall (5 + 3 + 0) / 3, variance of (loss - 0)+.
    found = regression_test(returns, np.full(10, 2.0), np.full(10, 2.0), 0.7)
    over = np.array([5, 3] + [0] * 8) / 2
    expected = (8 / 3 / 2 - 1) / (over.std() / 0.3 / math.sqrt(10))
    assert found.statistic == pytest.approx(expected)


@pytest.mark.parametrize("shape", SHAPES[3:])
def test_the_tail_of_the_forecasts_is_found(shape):
    var, es = told(shape, 0.975)
    assert shape_of([var] * 5, [es] * 5, 0.975) == shape


@pytest.mark.parametrize(("shape", "level"), [(math.inf, 0.975), (5.0, 0.95)])
def test_size_and_power(shape, level):
    """500 days of changing volatility. Right: 5 %. A quarter too small: caught."""
    rng, draws, days = np.random.default_rng(11), 400, 500
    var, es = told(shape, level)
    spoke = np.zeros((3, 3))
    for _ in range(draws):
        unit = np.exp(rng.normal(0, 0.5, days))
        raw = rng.standard_normal(days) if math.isinf(shape) else rng.standard_t(shape, days)
        for row, (v, e) in enumerate([(1, 1), (0.75, 0.75), (1, 0.75)]):
            args = (raw * unit, var * v * unit, es * e * unit, level)
            found = (*z_tests(*args), regression_test(*args))
            spoke[row] += [test.p_value <= 0.05 for test in found]
    spoke /= draws
    assert np.all(np.abs(spoke[0] - 0.05) < 4 * math.sqrt(0.05 * 0.95 / draws))
    assert spoke[1, 1] > 0.95, "Z2 catches VaR and ES a quarter too small"
    assert spoke[2, 0] > 0.95, "Z1 catches an ES alone a quarter too small"


@pytest.mark.parametrize("model", sorted(MODELS))
def test_forecasts_are_the_measures_of_the_days_before(model):
    sample = np.random.default_rng(3).standard_t(4, 242) / 100
    # Fewer paths than a report draws.
    terms = {"draws": DRAWS} if model == "monte_carlo" else {}
    for level, made in forecast(sample, (0.95, 0.99), model, window=200).items():
        assert len(made.var) == 42
        # Fitted ones are fitted on every twentieth day.
        for at in (0, 20, 40):
            window = sample[at : at + 200]
            assert made.var[at] == pytest.approx(
                value_at_risk(window, level, model, **terms), abs=1e-12
            )
            assert made.es[at] == pytest.approx(
                expected_shortfall(window, level, model, **terms), abs=1e-12
            )


@pytest.mark.parametrize("model", sorted(MODELS))
def test_no_forecast_sees_its_own_day_or_a_later_one(model):
    sample = np.random.default_rng(4).standard_normal(260) / 100
    changed = sample.copy()
    changed[225:] *= 7.0
    before, after = (forecast(s, [0.95], model, window=200)[0.95] for s in (sample, changed))
    assert np.array_equal(before.var[:26], after.var[:26])
    assert np.array_equal(before.es[:26], after.es[:26])
    assert not np.array_equal(before.var[26:], after.var[26:])
    assert np.all(before.es >= before.var - 1e-12)


def garch(rng, days):
    variance, found = 1.0, np.empty(days)
    for t in range(days):
        found[t] = math.sqrt(variance) * rng.standard_t(5) / math.sqrt(5 / 3)
        variance = 0.02 + 0.13 * found[t] ** 2 + 0.85 * variance
    return found / 100


def joint_days(seed, days, m=3, degrees=4.0):
    """Days of m positions that fall together: a multivariate t, by scipy."""
    shape = np.full((m, m), 0.6) + 0.4 * np.eye(m)
    law = stats.multivariate_t(np.zeros(m), 1e-4 * shape, degrees, seed=seed)
    return law.rvs(days)


def positions(block, *weights):
    names = tuple(f"P{i}" for i in range(block.shape[1]))
    return Positions(Rows(names, block, 0), np.array(weights))


def test_monte_carlo_tells_the_book_from_its_positions():
    """Close to the law they were drawn from, and nothing of the days to come."""
    block, weights = joint_days(5, 320), np.array([0.5, 0.4, -0.2])
    made = forecast_positions(block, weights, (0.95, 0.99), window=280)
    shape = np.full((3, 3), 0.6) + 0.4 * np.eye(3)
    scale = 0.01 * math.sqrt(weights @ shape @ weights)
    for level in (0.95, 0.99):
        var = -stats.t(4).ppf(1 - level) * scale
        assert made[level].var == pytest.approx(var, rel=0.35)
        assert np.all(made[level].es > made[level].var)
        assert len(made[level].var) == 40
        # Fitted on days 0 and 20 of the graded ones.
        assert len(set(made[level].var.tolist())) == 2
    wild = block.copy()
    wild[300:] *= 9.0
    again = forecast_positions(wild, weights, (0.95, 0.99), window=280)
    assert np.array_equal(made[0.99].var, again[0.99].var)


def test_monte_carlo_is_graded_on_the_positions_and_takes_over_from_none():
    block = joint_days(6, 200)
    held = positions(block, 0.5, 0.4, -0.2)
    own = np.random.default_rng(1).standard_t(4, 240) / 100
    found = grade_models(own, models=("monte_carlo",), levels=(0.95,), positions=held)
    told = found["models"]["monte_carlo"]
    assert told["basis"].startswith("Today's shares of 3 position(s) over their own last 100")
    assert (told["levels"][0]["days"], found["days"]) == (100, 120)
    # Its days are not those of the book, so they are not drawn beside them.
    assert found["forecasts"] == {}
    losses = -(block[100:] @ np.array([0.5, 0.4, -0.2]))
    made = forecast_positions(block, held.weights, (0.95,), window=100)[0.95]
    assert told["levels"][0]["exceptions"] == int((losses > made.var).sum())
    red = {"historical": {"colour": "red", "score": 1.0}, "monte_carlo": told}
    assert choose(red, "historical")[0] == "historical"
    few = grade_models(
        own, models=("monte_carlo",), positions=positions(block[:90], 1.0, 0.0, 0.0)
    )
    assert few["models"]["monte_carlo"]["colour"] == "ungraded"
    assert "120 are needed" in few["models"]["monte_carlo"]["why_not"]


def test_a_portfolio_of_a_file_is_graded_as_the_book_is():
    block, weights = joint_days(7, 140), np.array([0.5, 0.4, -0.2])
    held = Positions(Rows(("A", "B", "C"), block, 0), weights)
    told = backtest(block @ weights, 0.95, "monte_carlo", window=80, positions=held)
    made = forecast_positions(block, weights, (0.95,), window=70)[0.95]
    assert (told["window"], told["days"]) == (70, 70)
    assert told["exceptions"] == int((-(block[70:] @ weights) > made.var).sum())


@pytest.mark.parametrize(("count", "every"), [(1, 20), (20, 20), (50, 50), (5_000, 5_000)])
def test_large_books_are_fitted_less_often(count, every):
    """A night has an end: positions times fits stay within 500, but for one fit of all."""
    assert refit_every(500, count) == every
    assert count * math.ceil(500 / every) <= max(500, count)


def test_clustered_days_demote_the_plain_models_and_keep_the_filtered_one():
    found = grade_models(garch(np.random.default_rng(21), 1250), models=("gaussian", "fhs"))[
        "models"
    ]
    assert found["gaussian"]["colour"] == "red"
    assert found["fhs"]["colour"] == "green"
    name, why = choose(found, "gaussian")
    assert found[name]["colour"] == "green"
    assert "gaussian is red" in why
    assert choose(found, "fhs") == ("fhs", "")


def test_a_model_that_could_not_be_graded_is_replaced():
    """120 days are too few for the extreme value method: said, not guessed."""
    sample = np.random.default_rng(22).standard_normal(130)
    found = grade_models(sample, models=("historical", "evt"))["models"]
    assert (found["evt"]["colour"], found["evt"]["score"]) == ("ungraded", None)
    assert "threshold" in found["evt"]["why_not"]
    assert choose(found, "evt")[0] == "historical"
    assert choose({"evt": found["evt"]}, "evt") == ("evt", "")
    red = {"a": {"colour": "red", "score": 2.0}, "b": {"colour": "red", "score": 1.0}}
    assert choose(red, "a") == (
        "b",
        "a is red; b is red and has the best score of its colour; every model is red",
    )
    assert choose(red, "b")[0] == "b"


def test_too_cautious_is_yellow_at_most():
    rng = np.random.default_rng(8)
    found = grade_forecasts(
        rng.standard_normal(1000), np.full(1000, 4.0), np.full(1000, 5.0), 0.95
    )
    assert (found.exceptions, found.colour) == (0, "yellow")
    assert any("fewer than told" in reason for reason in found.reasons)


def test_a_right_model_is_seldom_called_yellow():
    rng, draws = np.random.default_rng(9), 150
    var, es = told(math.inf, 0.95)
    colours = [
        grade_forecasts(rng.standard_normal(500), np.full(500, var), np.full(500, es), 0.95).colour
        for _ in range(draws)
    ]
    assert colours.count("green") > 0.95 * draws - 4 * math.sqrt(0.05 * 0.95 * draws)
    assert "red" not in colours


def test_the_truth_scores_best():
    rng = np.random.default_rng(10)
    sample = rng.standard_normal(20_000)
    var, es = told(math.inf, 0.95)
    right = joint_score(sample, np.full(20_000, var), np.full(20_000, es), 0.95)
    for v, e in [(0.7, 1), (1.3, 1), (1, 0.85), (1, 1.3), (0.75, 0.75)]:
        wrong = joint_score(sample, np.full(20_000, var * v), np.full(20_000, es * e), 0.95)
        assert right < wrong


@pytest.mark.parametrize(
    ("sample", "code"),
    [
        ([], "risk.empty"),
        ([0.01], "risk.too_few"),
        ([0.01] * 500, "risk.grades.constant"),
        ([np.nan] * 500, "risk.empty"),
        ([0.01, np.inf] * 200, "risk.not_finite"),
        ([0.01, -0.01] * 40, "risk.grades.too_few"),
    ],
)
def test_bad_histories_are_refused(sample, code):
    with pytest.raises(Invalid) as refused:
        grade_models(np.array(sample, dtype=float))
    assert refused.value.code == code


def test_a_shortfall_that_is_no_loss_is_refused():
    with pytest.raises(Invalid) as refused:
        z_tests([0.1, -0.1], [0.1, 0.1], [0.1, 0.0], 0.95)
    assert refused.value.code == "risk.grades.es"
