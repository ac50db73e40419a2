"""Figures of candidates: the engine's, in sample and out of sample kept apart."""

import numpy as np
import pytest
from scipy import stats

from apps.assistant.kernel.scoring import (
    CASH,
    Judge,
    Portfolio,
    best_of_luck,
    rank_ic,
    row_correlation,
)
from apps.backtests.kernel import engine
from apps.backtests.kernel.metrics import metrics
from apps.strategies import selectors
from apps.strategies.kernel.expressions import parse
from apps.strategies.kernel.interface import check_params
from tests.unit.strategies.panels import crypto, sp500

TEXT = "-ts_mean(returns, 5)"
PLAN = Portfolio(share=0.2, rebalance_days=7, long_short=True, fee_bps=3, slippage_bps=2)


@pytest.fixture(scope="module")
def panel():
    return sp500(30, "2007-01-01", "2011-01-01")


def as_strategy(panel):
    strategy = selectors.get_strategy("expression")
    given = {"expression": TEXT, "share": 0.2, "rebalance_days": 7, "long_short": True}
    return strategy.targets(panel, check_params(strategy.spec, given))


def test_figures_are_those_of_the_strategy_in_the_engine(panel):
    found = Judge(panel, PLAN).score(parse(TEXT)).figures
    run = engine.run(panel, as_strategy(panel), cash=CASH, fee_bps=3, slippage_bps=2)
    expected = metrics(run.returns, periods=252)
    for name in ("sharpe", "cagr", "volatility", "max_drawdown"):
        assert found[name] == pytest.approx(expected[name], rel=1e-12)


def test_out_of_sample_figures_are_those_of_an_account_begun_there(panel):
    cut = 700
    found = Judge(panel, PLAN).after(parse(TEXT), cut)
    late = panel.rows(cut, panel.n_bars)
    run = engine.run(late, as_strategy(panel)[cut:], cash=CASH, fee_bps=3, slippage_bps=2)
    assert found["sharpe"] == pytest.approx(metrics(run.returns, periods=252)["sharpe"])


def test_what_comes_later_cannot_reach_the_score(panel):
    early = panel.rows(0, 600)
    scrambled = type(panel)(
        panel.symbols,
        panel.ts,
        *(np.vstack([getattr(panel, f)[:600], getattr(panel, f)[600:][::-1] * 3]) for f in
          ("open", "high", "low", "close", "volume")),
        panel.timeframe,
    )  # fmt: skip
    first = Judge(early, PLAN).score(parse(TEXT))
    second = Judge(scrambled.rows(0, 600), PLAN).score(parse(TEXT))
    assert first.figures == second.figures
    np.testing.assert_array_equal(first.series, second.series)


def test_costs_lower_the_score(panel):
    free = Judge(panel, Portfolio(fee_bps=0, slippage_bps=0)).score(parse(TEXT))
    dear = Judge(panel, Portfolio(fee_bps=20, slippage_bps=20)).score(parse(TEXT))
    assert dear.fitness < free.fitness
    assert dear.figures["turnover"] > 10


def test_an_expression_without_values_has_no_score(panel):
    judge = Judge(panel, PLAN)
    for text in ("close / (close - close)", "sign(close)", "ts_mean(returns, 2000)"):
        assert judge.score(parse(text)) is None


def test_the_rank_objective_is_the_t_of_the_coefficients(panel):
    score = Judge(panel, PLAN, "rank_ic").score(parse(TEXT))
    assert score.fitness == score.figures["ic_t"]


@pytest.mark.parametrize("source", [sp500, crypto])
def test_row_correlation_is_spearmans(source):
    panel = source()
    a, b = panel.close[100:140].copy(), panel.volume[100:140]
    a[3, 2] = np.nan
    found = row_correlation(a, b)
    for i in range(len(a)):
        both = np.isfinite(a[i]) & np.isfinite(b[i])
        expected = stats.spearmanr(a[i][both], b[i][both]).statistic
        assert found[i] == pytest.approx(expected, abs=1e-12)


def test_the_information_coefficient_is_read_after_the_fill(panel):
    close = panel.close
    targets = np.full(close.shape, np.nan)
    rows = np.arange(60, 900, 10)
    targets[rows] = 0.0
    ahead = np.full(close.shape, np.nan)
    ahead[rows[:-1]] = panel.open[rows[1:] + 1] / panel.open[rows[:-1] + 1] - 1
    found = rank_ic(ahead, targets, panel)
    assert found["ic"] == pytest.approx(1.0)


def test_best_of_luck_follows_the_expected_maximum_of_normals():
    """A simulation stands for the formula: 2,000 worlds of 100 useless tries."""
    worlds = np.random.default_rng(1).normal(size=(2000, 100))
    expected = worlds.max(axis=1).mean()
    found = best_of_luck(worlds[0] / worlds[0].std(ddof=1), 100)
    assert found == pytest.approx(expected, rel=0.03)
    assert best_of_luck(np.array([1.0]), 1) is None
