"""How many independent trials a set of like ones adds up to, by clusters of their returns.

Trials are joined by average linkage on the distance √((1 - r) / 2); the number of groups is the
one with the highest mean over spread of the silhouettes, as in López de Prado's ONC, which finds
its groups by k-means from random starts; a tree gives the same answer each time.

Groups alone would count too few: a thousand trials of ten ideas that are correlated by half find
a far luckier best than ten trials do. So each group counts for as many as its own correlation
leaves independent: m trials with the mean correlation r count for
(√(1 + (m - 1) r) + (m - 1) √(1 - r))² / m, which is m for r = 0 and 1 for r = 1.

References
----------
López de Prado and Lewis, "Detection of false investment strategies using unsupervised learning
methods", Quantitative Finance 19 (2019).
Galwey, "A new measure of the effective number of tests", Genetic Epidemiology 33 (2009).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Effective:
    """``number`` independent trials in ``groups``; ``labels`` says which trial is in which."""

    number: float
    groups: int
    labels: Labels
    quality: float


def effective_trials(returns: Floats) -> Effective:
    """Return how many independent trials the columns of ``(n_obs, n_trials)`` add up to."""
    return effective_of(correlations(returns))


def correlations(returns: Floats) -> Floats:
    """Return the correlations of columns; a column without variation has none with any other."""
    sample = np.asarray(returns, dtype=np.float64)
    gaps = sample - sample.mean(axis=0)
    norms = np.sqrt((gaps * gaps).sum(axis=0))
    flat = norms <= 1e-7 * np.sqrt((sample * sample).sum(axis=0))
    gaps = np.divide(gaps, norms, out=np.zeros_like(gaps), where=~flat)
    found: Floats = np.clip(gaps.T @ gaps, -1.0, 1.0)
    found[np.ix_(flat, flat)] = 1.0  # those that never traded are one and the same
    np.fill_diagonal(found, 1.0)
    return found


def effective_of(correlation: Floats) -> Effective:
    """Return how many independent trials there are by their correlations."""
    n = len(correlation)
    if n < 3:
        labels = np.zeros(n, np.int64)
        return Effective(_number(correlation, labels, 1), min(n, 1), labels, 0.0)
    labels, groups, quality = clusters(correlation)
    return Effective(_number(correlation, labels, groups), groups, labels, quality)


def clusters(correlation: Floats) -> tuple[Labels, int, float]:
    """Return labels from 0, the number of groups, and the quality of the best cut of the tree."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    from apps.backtests.kernel.integrity import loops

    n = len(correlation)
    distances = np.sqrt(np.maximum((1.0 - correlation) / 2.0, 0.0))
    distances[distances < 1e-7] = 0.0
    tree = linkage(squareform(distances, checks=False), "average")
    out = np.zeros((n + 1, 2))
    loops.silhouettes_2d(distances, tree[:, :2].astype(np.int64), n - 1, out)
    spread = np.where(out[:, 1] > 1e-9, out[:, 1], np.inf)
    quality = np.round(out[:, 0] / spread, 9)
    # All alike within each group: nothing is left to spread.
    quality[(out[:, 0] > 1.0 - 1e-9)] = np.inf
    best = int(quality[2:n].argmax()) + 2
    if quality[best] <= 0.0:  # no cut is better than none
        return np.zeros(n, np.int64), 1, 0.0
    labels = fcluster(tree, best, "maxclust").astype(np.int64) - 1
    return labels, int(labels.max()) + 1, float(quality[best])


def _number(correlation: Floats, labels: Labels, groups: int) -> float:
    return sum(_in_group(correlation[np.ix_(labels == k, labels == k)]) for k in range(groups))


def _in_group(correlation: Floats) -> float:
    m = len(correlation)
    if m < 2:
        return float(m)
    mean = float(np.clip((correlation.sum() - m) / (m * (m - 1)), 0.0, 1.0))
    return float((np.sqrt(1.0 + (m - 1) * mean) + (m - 1) * np.sqrt(1.0 - mean)) ** 2 / m)
