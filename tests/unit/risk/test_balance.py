"""The balancer against skfolio called directly, against formulas, and against itself by hand."""

import io
import json

import numpy as np
import pytest
from django.core.management import call_command

from apps.core.errors import Invalid
from apps.risk.kernel.balance import (
    METHODS,
    Terms,
    balance,
    conflicts,
    least_turnover,
    too_alike,
    trade_towards,
)

FREE = {"max_correlation": None}


def returns_of(n_assets, *, n_bars=400, seed=3, common=0.3):
    rng = np.random.default_rng(seed)
    scale = 0.005 + 0.01 * np.arange(1, n_assets + 1) / n_assets
    factor = rng.standard_normal((n_bars, 1))
    own = rng.standard_normal((n_bars, n_assets))
    return scale * (common * factor + np.sqrt(1.0 - common**2) * own)


def names(count):
    return [f"A{n}" for n in range(count)]


def weights_of(found):
    return np.array(list(found.weights.values()))


def orthogonal(sigmas, n_bars=64):
    """Columns without any correlation in the sample, with just these standard deviations."""
    rng = np.random.default_rng(1)
    raw = rng.standard_normal((n_bars, len(sigmas)))
    base, _ = np.linalg.qr(raw - raw.mean(axis=0))
    base -= base.mean(axis=0)
    return base / base.std(axis=0, ddof=1) * np.array(sigmas)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # sigma 1 % and 2 %: variances 1 to 4, so 4/5; by deviation 2/3
        ("min_variance", 0.8),
        ("risk_parity", 2 / 3),
        ("max_diversification", 2 / 3),
        ("hrp", 0.8),
    ],
)
def test_two_uncorrelated_assets_by_hand(method, expected):
    found = balance(orthogonal([0.01, 0.02]), ["a", "b"], Terms(method, **FREE), {})
    assert found.weights["a"] == pytest.approx(expected, abs=2e-4)
    assert sum(found.weights.values()) == pytest.approx(1.0)


def direct(method, returns):
    from skfolio import RiskMeasure
    from skfolio import optimization as o

    made = {
        "min_variance": lambda: o.MeanRisk(min_weights=0.02, max_weights=0.4),
        "risk_parity": lambda: o.RiskBudgeting(min_weights=0.02, max_weights=0.4),
        "hrp": lambda: o.HierarchicalRiskParity(min_weights=0.02, max_weights=0.4),
        "max_diversification": lambda: o.MaximumDiversification(min_weights=0.02, max_weights=0.4),
        "mean_cvar": lambda: o.MeanRisk(
            objective_function=o.ObjectiveFunction.MAXIMIZE_UTILITY,
            risk_measure=RiskMeasure.CVAR,
            cvar_beta=0.95,
            min_weights=0.02,
            max_weights=0.4,
        ),
    }[method]()
    return made.fit(returns).weights_


@pytest.mark.parametrize("method", METHODS)
def test_skfolio_called_directly_says_the_same(method):
    returns = returns_of(6)
    terms = Terms(method, min_weight=0.02, max_weight=0.4, **FREE)
    found = weights_of(balance(returns, names(6), terms, {}))
    # Solvers stop within 1e-5 of each other where weights are scaled before and after.
    np.testing.assert_allclose(found, direct(method, returns), atol=1e-5)
    assert found.min() >= 0.02 - 1e-9
    assert found.max() <= 0.4 + 1e-9


def test_of_two_that_move_together_the_more_alike_one_goes():
    base = returns_of(4, common=0.0)
    twin = base[:, 0] + 0.2 * base[:, 0].std() * np.random.default_rng(5).standard_normal(400)
    # The twin is also somewhat like the third, so it is the more alike of the pair.
    returns = np.column_stack([base, twin + 0.3 * base[:, 2]])
    ((goes, stays, how),) = too_alike(returns, 0.7)
    assert (goes, stays) == (4, 0)
    assert how == pytest.approx(np.corrcoef(returns[:, 0], returns[:, 4])[0, 1])
    found = balance(returns, names(5), Terms(), {"A4": 0.5})
    assert found.weights["A4"] == 0.0
    assert [one.symbol for one in found.dropped] == ["A4"]
    assert "moves with A0" in found.dropped[0].why
    against = np.column_stack([base[:, 0], -base[:, 0]])
    assert too_alike(against, 0.7) == [], "what moves against each other is kept"


def test_a_price_that_stands_still_is_left_out():
    returns = np.column_stack([returns_of(2), np.zeros(400)])
    found = balance(returns, names(3), Terms(), {})
    assert found.weights["A2"] == 0.0
    assert "does not move" in found.dropped[0].why


def test_trading_costs_make_a_region_in_which_nothing_is_done():
    # Two assets, x in the first: patience/2 s2 (x - goal)^2 + 2 cost |x - held|, s2 the variance
    # of the difference, so x stops 2 cost / (patience s2) short of the goal.
    covariance = np.diag([1e-4, 4e-4])
    terms = Terms(cost=0.001, patience=100.0)
    short = 2 * 0.001 / (100.0 * 5e-4)
    goal, held = np.array([0.8, 0.2]), np.array([0.5, 0.5])
    found = trade_towards(goal, held, covariance, terms)
    assert found[0] == pytest.approx(0.8 - short, abs=1e-5)
    near = np.array([0.77, 0.23])
    np.testing.assert_array_equal(trade_towards(goal, near, covariance, terms), near)
    np.testing.assert_array_equal(trade_towards(goal, held, covariance, Terms()), goal)


def test_turnover_is_capped():
    returns = returns_of(3)
    held = {"A0": 0.0, "A1": 0.0, "A2": 1.0}
    found = balance(returns, names(3), Terms(max_turnover=0.5, cost=0.001, **FREE), held)
    assert found.turnover == pytest.approx(0.5, abs=1e-5)
    assert found.cost == pytest.approx(0.0005, abs=1e-8)
    assert found.volatility < found.volatility_before


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (Terms(max_weight=0.2), "3 instruments of at most 20.0% hold 60.0%"),
        (Terms(min_weight=0.4), "3 instruments of at least 40.0% take 120.0%"),
        (Terms(min_weight=0.6, max_weight=0.5), "is above the largest"),
        (Terms(max_weight=0.5, max_turnover=0.3), "100.0% of equity has to be traded"),
    ],
)
def test_what_clashes_is_told_in_words(terms, words):
    held = {"A0": 1.0}
    with pytest.raises(Invalid) as caught:
        balance(returns_of(3, common=0.0), names(3), terms, held)
    assert caught.value.code == "balance.infeasible"
    assert words in caught.value.message
    assert caught.value.details["conflicts"]


def test_a_cap_on_correlation_that_leaves_too_few_is_part_of_the_clash():
    returns = returns_of(3, common=0.95)
    with pytest.raises(Invalid, match="a higher cap on correlation"):
        balance(returns, names(3), Terms(max_weight=0.4), {})


def test_the_least_turnover_by_hand():
    terms = Terms(max_weight=0.5)
    # 100 % in one: half has to go, and half has to come in elsewhere.
    assert least_turnover(np.array([1.0, 0.0, 0.0]), terms) == pytest.approx(1.0)
    assert least_turnover(np.array([0.5, 0.3, 0.2]), terms) == 0.0
    assert least_turnover(np.array([-0.1, 0.5, 0.5]), terms) == pytest.approx(0.1)
    assert conflicts(3, Terms(max_weight=0.5, max_turnover=1.0), np.array([1.0, 0, 0])) == []


@pytest.mark.parametrize(
    ("returns", "code"),
    [
        (np.zeros((100, 3)), "balance.returns"),
        (returns_of(2, n_bars=59), "balance.observations"),
        (np.full((100, 2), np.nan), "balance.observations"),
        (np.full((100, 2), np.inf), "balance.returns"),
        (np.full((100, 2), -1.0), "balance.returns"),
    ],
)
def test_returns_that_are_none_are_refused(returns, code):
    with pytest.raises(Invalid) as caught:
        balance(returns, names(2), Terms(), {})
    assert caught.value.code == code


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "magic"},
        {"budget": 0.0},
        {"max_weight": float("nan")},
        {"min_weight": -0.1},
        {"max_correlation": 1.1},
        {"tail": 0.6},
    ],
)
def test_terms_that_are_none_are_refused(wrong):
    with pytest.raises(Invalid) as caught:
        Terms(**wrong)
    assert caught.value.code == "balance.terms"


def test_the_order_of_instruments_does_not_matter():
    returns, order = returns_of(5), [3, 0, 4, 1, 2]
    for method in ("min_variance", "risk_parity", "hrp"):
        plain = balance(returns, names(5), Terms(method), {})
        mixed = balance(returns[:, order], [f"A{n}" for n in order], Terms(method), {})
        for name, weight in plain.weights.items():
            assert mixed.weights[name] == pytest.approx(weight, abs=1e-4)


def test_the_command_gives_what_the_kernel_does(tmp_path):
    returns = returns_of(3, common=0.0)
    path, out = tmp_path / "returns.csv", io.StringIO()
    rows = [",".join(map(repr, row)) for row in returns.tolist()]
    path.write_text("\n".join(["A0,A1,A2", *rows]))
    call_command("balance", str(path), "--method", "risk_parity", "--weights", "A2=1", stdout=out)
    answer, expected = (
        json.loads(out.getvalue()),
        balance(returns, names(3), Terms("risk_parity"), {"A2": 1.0}),
    )
    assert answer["weights"] == pytest.approx(expected.weights)
    assert answer["turnover"] == pytest.approx(expected.turnover)
    with pytest.raises(SystemExit):
        call_command("balance", str(path), "--max-weight", "0.2", stderr=io.StringIO())
