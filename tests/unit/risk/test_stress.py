"""Crises, scenarios, broken correlations and the smallest shock, by hand and against scipy."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from apps.core.errors import Invalid
from apps.risk.kernel.scenarios import apply, shocks_from
from apps.risk.kernel.stress import (
    CRISES,
    Book,
    Correlated,
    Crisis,
    break_correlations,
    correlated,
    normal_loss,
    replay,
    reverse,
)

DAY = 86_400_000_000


def days(first, count):
    return int(np.datetime64(first, "us").astype(np.int64)) + DAY * np.arange(count)


def test_a_crisis_is_played_again_on_quantities_kept():
    """Half in A, a quarter short B: A 100 -> 90 -> 80, B 50 -> 40 -> 60."""
    ts = days("2008-09-10", 4)
    closes = {"A": np.array([101.0, 100, 90, 80]), "B": np.array([50.0, 50, 40, 60])}
    crisis = Crisis("x", "X", "2008-09-12", "2008-09-13")
    found = replay(Book({"A": 0.5, "B": -0.25}), crisis, ts, closes)
    assert found["loss"] == pytest.approx(0.5 * 0.2 + 0.25 * 0.2)
    assert found["positions"] == pytest.approx({"A": 0.1, "B": 0.05})
    # After the first day: -0.05 + 0.05 = 0; the second loses it all.
    assert found["worst_day"] == pytest.approx(0.15)
    assert found["drawdown"] == pytest.approx(0.15)
    assert (found["covered"], found["missing"], found["bars"]) == (1.0, [], 2)


def test_positions_without_prices_are_named_and_not_filled():
    ts = days("2008-09-10", 30)
    young = np.where(np.arange(30) < 10, np.nan, 10.0)
    gone = np.where(np.arange(30) > 5, np.nan, 10.0)
    closes = {"A": np.full(30, 5.0), "YOUNG": young, "GONE": gone}
    crisis = Crisis("x", "X", "2008-09-12", "2008-10-05")
    weights = {"A": 0.5, "YOUNG": 0.2, "GONE": 0.2, "NEVER": 0.1}
    found = replay(Book(weights), crisis, ts, closes)
    assert found["missing"] == ["GONE", "NEVER", "YOUNG"]
    assert found["covered"] == pytest.approx(0.5)
    nothing = replay(Book({"NEVER": 1.0}), crisis, ts, closes)
    assert "No position has prices" in nothing["why_not"]
    assert "loss" not in nothing


def test_a_window_before_the_first_bar_is_refused_in_words():
    ts = days("1998-01-02", 30)
    found = replay(Book({"A": 1.0}), CRISES[0], ts, {"A": np.full(30, 1.0)})
    assert found["why_not"]
    assert found["missing"] == ["A"]


def test_scenario_by_hand():
    table = {
        "instrument": {"A": -0.5},
        "sector": {"Energy": -0.3},
        "factor": {"MKT_RF": -0.2},
    }
    found = apply(
        Book({"A": 0.4, "B": 0.3, "C": -0.2, "D": 0.1}),
        shocks_from(table),
        sectors={"A": "Energy", "B": "Energy", "C": "Banks"},
        betas={"B": {"MKT_RF": 1.5}, "C": {"MKT_RF": 1.0}, "A": {"MKT_RF": 9.0}},
    )
    rows = found["positions"]
    assert rows["A"]["return"] == -0.5  # its own shock stands alone
    assert rows["B"]["return"] == pytest.approx(-0.3 + 1.5 * -0.2)
    assert rows["C"]["return"] == pytest.approx(-0.2)
    assert rows["D"]["return"] == 0.0
    assert found["loss"] == pytest.approx(0.4 * 0.5 + 0.3 * 0.6 - 0.2 * 0.2)
    assert found["unmoved"] == ["D"]
    assert "No exposures for D" in found["notes"][0]


def test_a_return_is_cut_at_all():
    shocks = shocks_from({"sector": {"S": -0.8}, "factor": {"M": -0.5}})
    found = apply(Book({"A": 1.0}), shocks, sectors={"A": "S"}, betas={"A": {"M": 1.0}})
    assert found["loss"] == 1.0
    assert "cut" in found["notes"][0]


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ({}, "risk.scenario.empty"),
        ({"colour": {"red": 0.1}}, "risk.scenario.kind"),
        ({"sector": [1]}, "risk.scenario.kind"),
        ({"sector": {" ": -0.1}}, "risk.scenario.name"),
        ({"sector": {"E": "much"}}, "risk.scenario.shock"),
        ({"sector": {"E": float("nan")}}, "risk.scenario.shock"),
        ({"instrument": {"A": -1.01}}, "risk.scenario.shock"),
        ({"instrument": {"A": True}}, "risk.scenario.shock"),
        ({"instrument": {f"S{i}": -0.1 for i in range(501)}}, "risk.scenario.too_many"),
    ],
)
def test_bad_tables_are_refused(table, code):
    with pytest.raises(Invalid) as refused:
        shocks_from(table)
    assert refused.value.code == code


@pytest.fixture
def book():
    rng = np.random.default_rng(1)
    common = rng.standard_normal(400)
    returns = {
        name: (beta * common + rng.standard_normal(400)) / 100
        for name, beta in (("A", 1.0), ("B", 0.7), ("C", -0.4))
    }
    return correlated(Book({"A": 0.5, "B": 0.4, "C": -0.3}), returns)


def test_correlations_that_all_go_to_one_add_the_volatilities(book):
    sd = np.sqrt(np.diag(book.covariance))
    broken = break_correlations(book, to=1.0)
    assert broken.sd == pytest.approx(abs(float(book.weights @ sd)))
    apart = break_correlations(book, to=0.0)
    assert apart.sd == pytest.approx(math.sqrt(float(np.sum((book.weights * sd) ** 2))))
    assert break_correlations(book, to=1.0, strength=0.0).sd == pytest.approx(book.sd)
    assert break_correlations(book, to=0.3, volatility=2.0).sd == pytest.approx(
        2 * break_correlations(book, to=0.3).sd
    )
    for to in (-0.5, 0.2, 1.0):
        assert np.linalg.eigvalsh(break_correlations(book, to=to).covariance).min() > -1e-12
    with pytest.raises(Invalid) as refused:
        break_correlations(book, to=-0.6)
    assert refused.value.code == "risk.stress.correlation"


def test_normal_losses_are_scipys(book):
    var, es = normal_loss(book, 0.99)
    law = stats.norm(scale=book.sd)
    assert var == pytest.approx(law.ppf(0.99))
    assert es == pytest.approx(law.expect(lb=law.ppf(0.99)) / 0.01, rel=1e-6)


def test_the_smallest_shock_is_that_of_an_optimiser(book):
    found = reverse(book, 0.1)
    inverse = np.linalg.inv(book.covariance)
    made = minimize(
        lambda d: float(d @ inverse @ d),
        np.full(3, -0.1),
        method="SLSQP",
        constraints={"type": "eq", "fun": lambda d: float(book.weights @ d) + 0.1},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found["how"] == "closed form"
    assert found["norm"] == pytest.approx(math.sqrt(made.fun), rel=1e-4)
    shocks = [row["return"] for row in found["shocks"].values()]
    assert shocks == pytest.approx(made.x.tolist(), abs=1e-4)
    assert float(book.weights @ shocks) == pytest.approx(-0.1)
    assert found["probability"] == pytest.approx(stats.norm.sf(0.1 / book.sd))


def test_no_price_is_taken_below_zero():
    """One wild small position: the closed form would take it to -180 %."""
    wild = Correlated(("A", "B"), np.array([0.1, 0.9]), np.diag([0.04, 0.0001]), 100)
    closed = -0.2 * wild.covariance @ wild.weights / wild.sd**2
    assert closed.min() < -1.0
    found = reverse(wild, 0.2)
    assert "numeric" in found["how"]
    # By hand: A falls to nothing and B makes up the rest.
    assert found["shocks"]["A"]["return"] == pytest.approx(-1.0, abs=1e-6)
    assert found["shocks"]["B"]["return"] == pytest.approx(-0.1 / 0.9, abs=1e-6)
    assert found["norm"] == pytest.approx(math.hypot(1 / 0.2, 0.1 / 0.9 / 0.01), rel=1e-6)


def test_a_singular_covariance_does_no_harm():
    ones = Correlated(("A", "B"), np.array([0.5, 0.5]), np.full((2, 2), 0.0004), 100)
    found = reverse(ones, 0.1)
    assert [row["return"] for row in found["shocks"].values()] == pytest.approx([-0.1, -0.1])
    assert found["norm"] == pytest.approx(5.0)


def test_bad_books_are_refused(book):
    cases = [
        (lambda: Book({}), "risk.empty"),
        (lambda: Book({"A": 0.0}), "risk.empty"),
        (lambda: Book({"A": math.nan}), "risk.weights"),
        (lambda: correlated(Book({"A": 1.0}), {}), "risk.stress.history"),
        (lambda: correlated(Book({"A": 1.0}), {"A": np.zeros(5)}), "risk.stress.history"),
        (lambda: correlated(Book({"A": 1.0}), {"A": np.zeros(50)}), "risk.stress.constant"),
        (lambda: correlated(Book({"A": 1.0}), {"A": np.full(50, np.nan)}), "risk.stress.history"),
        (lambda: reverse(book, 0.0), "risk.stress.loss"),
        (lambda: reverse(book, math.nan), "risk.stress.loss"),
        (lambda: reverse(book, 1e300), "risk.stress.loss"),
        (
            lambda: reverse(Correlated(("A",), np.ones(1), np.eye(1), 9), 1.5),
            "risk.stress.impossible",
        ),
    ]
    for call, code in cases:
        with pytest.raises(Invalid) as refused:
            call()
        assert refused.value.code == code
