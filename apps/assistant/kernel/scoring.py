"""What an expression would have earned, in and out of sample, by the engine of backtests."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from apps.assistant.kernel.genetic import Score
from apps.backtests.kernel import engine
from apps.backtests.kernel.metrics import metrics
from apps.market.kernel.bars import Panel, periods_per_year
from apps.strategies.kernel.expressions import Evaluator, Node, lookback
from apps.strategies.kernel.periods import day_period
from apps.strategies.kernel.portfolios import quantile_weights
from apps.strategies.kernel.rebalancing import features_of, targets_of

Floats = NDArray[np.float64]
Figures = dict[str, float | None]
CASH = 1_000_000.0
SHOWN = ("sharpe", "cagr", "volatility", "max_drawdown", "total_return", "sortino")
MIN_DATES = 12
OBJECTIVES = ("sharpe", "rank_ic")


@dataclass(frozen=True, slots=True)
class Portfolio:
    """How scores become a portfolio: the parameters of the strategy ``expression``, and costs."""

    share: float = 0.2
    rebalance_days: int = 7
    long_short: bool = True
    fee_bps: float = 5.0
    slippage_bps: float = 5.0


class Judge:
    """Scores expressions on one panel and no other.

    For the search it is made with the in-sample bars alone, so nothing later can reach it.
    """

    def __init__(self, panel: Panel, portfolio: Portfolio, objective: str = "sharpe") -> None:
        self.panel, self.portfolio, self.objective = panel, portfolio, objective
        self.evaluator = Evaluator(panel)
        self.there = np.isfinite(panel.close)
        self.periods = day_period(panel.ts, portfolio.rebalance_days)

    def score(self, node: Node) -> Score | None:
        """Return the score of ``node`` over the whole panel; None when it holds nothing."""
        scores = self._scores(node)
        targets = self._targets(scores)
        if not np.isfinite(targets).any():
            return None
        result = self._run(self.panel, targets)
        figures = figures_of(self.panel, result)
        figures.update(rank_ic(scores, targets, self.panel))
        value = figures["sharpe"] if self.objective == "sharpe" else figures["ic_t"]
        returns = np.nan_to_num(result.returns)
        return None if value is None else Score(float(value), returns, figures)

    def after(self, node: Node, cut: int) -> Figures:
        """Return the figures of ``node`` on the bars from ``cut`` on; values may look back before.

        An account that begins at ``cut`` holds nothing until the first rebalance there.
        """
        scores = self._scores(node)
        targets = self._targets(scores)[cut:]
        late = self.panel.rows(cut, self.panel.n_bars)
        if not np.isfinite(targets).any():
            return dict.fromkeys((*SHOWN, "turnover", "ic", "ic_t"))
        figures = figures_of(late, self._run(late, targets))
        figures.update(rank_ic(scores[cut:], targets, late))
        return figures

    def _scores(self, node: Node) -> Floats:
        scores = np.where(self.there, self.evaluator.value(node), np.nan)
        scores[: lookback(node)] = np.nan
        return scores

    def _targets(self, scores: Floats) -> Floats:
        plan = self.portfolio
        return targets_of(
            features_of(scores, self.periods),
            lambda row: quantile_weights(row, plan.share, long_short=plan.long_short),
        )

    def _run(self, panel: Panel, targets: Floats) -> engine.Result:
        plan = self.portfolio
        return engine.run(
            panel,
            targets,
            cash=CASH,
            fee_bps=plan.fee_bps,
            slippage_bps=plan.slippage_bps,
        )


def figures_of(panel: Panel, result: engine.Result) -> Figures:
    """Return the figures shown of a run; ``turnover`` is value traded a year over mean equity."""
    periods = periods_per_year(panel.timeframe, continuous=panel.continuous)
    found = metrics(result.returns, periods=periods)
    traded = float(np.abs(result.fills.quantity * result.fills.price).sum())
    years, equity = panel.n_bars / periods, float(np.mean(result.equity))
    turnover = traded / equity / years if equity > 0 and years > 0 else None
    return {**{name: found.get(name) for name in SHOWN}, "turnover": turnover}


def rank_ic(scores: Floats, targets: Floats, panel: Panel) -> Figures:
    """Return the mean rank correlation of scores with the returns that followed, and its t.

    Parameters
    ----------
    scores
        ``(n_bars, n_assets)``.
    targets
        A row that is not all NaN marks a rebalance. The return that follows runs from the next
        open to the open after the next rebalance, when orders would fill.
    """
    rows = np.flatnonzero(np.isfinite(targets).any(axis=1))
    rows = rows[rows + 1 < panel.n_bars]
    if len(rows) < MIN_DATES:
        return {"ic": None, "ic_t": None}
    opens = panel.open[rows + 1]
    with np.errstate(all="ignore"):
        ahead = opens[1:] / opens[:-1] - 1.0
    each = row_correlation(scores[rows[:-1]], ahead)
    each = each[np.isfinite(each)]
    if len(each) < MIN_DATES:
        return {"ic": None, "ic_t": None}
    mean, error = float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))
    return {"ic": mean, "ic_t": mean / error if error > 0 else None}


def row_correlation(a: Floats, b: Floats) -> Floats:
    """Return Spearman's correlation of each pair of rows over what both have, ``(n_rows,)``."""
    from apps.strategies.kernel import loops

    both = np.isfinite(a) & np.isfinite(b)
    ranks = []
    for values in (a, b):
        x = np.ascontiguousarray(np.where(both, values, np.nan))
        ranked = np.asarray(loops.rank_rows_2d(x, np.argsort(x, axis=1, kind="stable")))
        middle = np.nansum(ranked, axis=1, keepdims=True) / np.maximum(
            both.sum(axis=1, keepdims=True), 1
        )
        ranks.append(np.where(both, ranked - middle, 0.0))
    with np.errstate(all="ignore"):
        spread = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
        out: Floats = np.where(spread > 0, (ranks[0] * ranks[1]).sum(axis=1) / spread, np.nan)
    return out


def best_of_luck(sharpes: Floats, trials: int) -> float | None:
    """Return the Sharpe ratio that the best of ``trials`` tries without skill is expected to show.

    Parameters
    ----------
    sharpes
        The ratios found, whose spread stands for that of luck.

    References
    ----------
    Bailey, D. H. and Lopez de Prado, M. (2014), "The Deflated Sharpe Ratio", Journal of Portfolio
    Management 40(5), equation for the expected maximum.
    """
    if trials < 2 or len(sharpes) < 2:
        return None
    quantile, gamma = NormalDist().inv_cdf, 0.5772156649015329
    peak = (1 - gamma) * quantile(1 - 1 / trials) + gamma * quantile(1 - 1 / (trials * np.e))
    return float(np.std(sharpes, ddof=1) * peak)
