"""Historical VaR and ES with components, many normal paths, a million draws: numpy and skfolio."""

import numpy as np

from tests.speed.backtest import timed

ROUNDS = 15
POSITIONS, SCENARIOS = 1_000, 1_000
PATHS, ASSETS = 1_000_000, 50


def timed_both(lab, peer, rounds=ROUNDS):
    """Return the median seconds of both, measured in turn."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(timed(lab))
        theirs.append(timed(peer))
    return float(np.median(ours)), float(np.median(theirs))


def line(name, peer, seconds, goal, checked):
    """Return a row of the bench."""
    ours, theirs = (second * 1e3 for second in seconds)
    return {
        "name": name,
        "value": ours,
        "unit": "ms",
        "peer": peer,
        "peer_value": theirs,
        "ratio": theirs / ours,
        "goal": goal,
        "checked": checked,
    }


def var_es_1000():
    """1,000 positions in 1,000 scenarios: VaR, ES and every position's part of the ES."""
    from apps.risk.kernel.components import scenario_components
    from apps.risk.kernel.conventions import Terms

    rng = np.random.default_rng(0)
    returns = rng.normal(0.0, 0.01, (SCENARIOS, POSITIONS))
    weights = rng.normal(size=POSITIONS) / POSITIONS
    terms = Terms(level=0.95)

    def lab():
        var, es, _, by_es = scenario_components(returns, weights, terms)
        return var, es, weights * by_es

    def numpy():
        parts = returns * weights
        book = parts.sum(axis=1)
        at = np.quantile(book, 0.05)
        tail = book <= at
        return -at, -book[tail].mean(), -parts[tail].mean(axis=0)

    ours, theirs = lab(), numpy()
    checked = max(float(np.max(np.abs(a - b))) for a, b in zip(ours, theirs, strict=True))
    return line("var_es_1000", "numpy", timed_both(lab, numpy, 41), 3.0, checked)


def monte_carlo():
    """A million joint normal draws of 50 positions, and the book's VaR and ES at 99 %."""
    from apps.risk.kernel.empirical import sample_tail
    from apps.risk.kernel.monte_carlo import normal_book_returns

    rng = np.random.default_rng(1)
    root = rng.normal(0.0, 0.01, (ASSETS, ASSETS))
    covariance, weights = root @ root.T / ASSETS, rng.dirichlet(np.ones(ASSETS))
    mean = np.full(ASSETS, 2e-4)

    def lab():
        return sample_tail(normal_book_returns(mean, covariance, weights, PATHS, seed=2), 0.01)

    def numpy():
        shocks = np.random.default_rng(2).standard_normal((PATHS, ASSETS))
        shocks = shocks @ np.linalg.cholesky(covariance).T
        book = (shocks + mean) @ weights
        at = np.quantile(book, 0.01)
        return -at, -book[book <= at].mean()

    # Two streams of draws: alike within the error of a million paths, 0.3 % of the tail's depth.
    checked = max(abs(a / b - 1.0) for a, b in zip(lab(), numpy(), strict=True))
    if checked > 0.01:
        message = f"numpy's VaR and ES differ by {checked:.2%}"
        raise ValueError(message)
    return line("monte_carlo", "numpy", timed_both(lab, numpy, 5), 1.4, checked)


def var_es_1m():
    """VaR and ES of a million draws, by the rules of skfolio."""
    from skfolio import measures

    from apps.risk.kernel.empirical import sample_tail
    from apps.risk.kernel.samples import clean_returns

    draws = np.random.default_rng(3).standard_t(5, 1_000_000) * 0.01

    def lab():
        return sample_tail(clean_returns(draws), 0.05, "inverted_cdf", "tail")

    def skfolio():
        return measures.value_at_risk(draws, beta=0.95), measures.cvar(draws, beta=0.95)

    checked = max(abs(a - b) for a, b in zip(lab(), skfolio(), strict=True))
    return line("var_es_1m", "skfolio", timed_both(lab, skfolio), 2.0, checked)
