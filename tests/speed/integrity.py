"""Overfitting and effective trials of 1,000 strategies over 2,500 days: numpy and scikit-learn."""

from itertools import combinations

import numpy as np

from tests.speed.backtest import timed
from tests.speed.risk import line

DAYS, TRIALS, BLOCKS = 2_500, 1_000, 16
# The peers take seconds, so fewer rounds than elsewhere; the first warms and is left out.
ROUNDS = 6


def returns():
    """Return daily returns: a hundred ideas, ten variants of each, some with skill."""
    rng = np.random.default_rng(7)
    common = np.repeat(rng.standard_normal((DAYS, TRIALS // 10)), 10, axis=1)
    drift = 0.02 * np.repeat(rng.standard_normal(TRIALS // 10), 10)
    return 0.01 * (0.8 * common + 0.6 * rng.standard_normal((DAYS, TRIALS)) + drift)


def medians(lab, peer, rounds):
    """Return the median seconds of both, measured in turn after a first round of each."""
    pairs = [(timed(lab), timed(peer)) for _ in range(rounds)]
    return tuple(float(np.median(seconds)) for seconds in zip(*pairs[1:], strict=True))


def numpy_pbo(sample):
    """CSCV with numpy, block sums added once: the strongest plain reading."""
    length = len(sample) // BLOCKS
    parts = sample[: length * BLOCKS].reshape(BLOCKS, length, -1)
    ones, squares = parts.sum(axis=1), (parts**2).sum(axis=1)
    n, all_ones, all_squares = length * BLOCKS // 2, ones.sum(axis=0), squares.sum(axis=0)
    logits = []
    for chosen in combinations(range(BLOCKS), BLOCKS // 2):
        rows = list(chosen)
        total, square = ones[rows].sum(axis=0), squares[rows].sum(axis=0)
        inside = (total / n) / np.sqrt((square - total**2 / n) / (n - 1))
        total, square = all_ones - total, all_squares - square
        outside = (total / n) / np.sqrt((square - total**2 / n) / (n - 1))
        share = ((outside < outside[inside.argmax()]).sum() + 1) / (len(outside) + 1)
        logits.append(np.log(share / (1 - share)))
    return np.array(logits)


def pbo_1000():
    """12,870 splits of 16 blocks: the share of them in which the best was picked for luck."""
    from apps.backtests.kernel.integrity.overfitting import block_sums, overfitting

    sample = returns()[: DAYS // BLOCKS * BLOCKS]

    def lab():
        return overfitting(block_sums(sample))

    def peer():
        return numpy_pbo(sample)

    checked = float(np.abs(np.sort(lab().logits) - np.sort(peer())).max())
    return line("pbo_1000", "numpy", medians(lab, peer, ROUNDS), 10, checked)


def sklearn_clusters(sample):
    """The same groups with scipy's tree and scikit-learn's silhouettes, every cut of it."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform
    from sklearn.metrics import silhouette_samples

    distances = np.sqrt(np.maximum((1.0 - np.corrcoef(sample.T)) / 2.0, 0.0))
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform(distances, checks=False), "average")
    best = (-np.inf, 0)
    for groups in range(2, len(distances)):
        labels = fcluster(tree, groups, "maxclust")
        widths = silhouette_samples(distances, labels, metric="precomputed")
        best = max(best, (widths.mean() / widths.std(), groups))
    return best


def effective_trials():
    """Groups of 1,000 streams by every cut of their tree, and how many trials they add up to."""
    from apps.backtests.kernel.integrity import effective

    sample = returns()
    found, peer = effective.effective_trials(sample), sklearn_clusters(sample)
    checked = max(abs(found.quality - peer[0]), abs(found.groups - peer[1]))
    seconds = medians(
        lambda: effective.effective_trials(sample), lambda: sklearn_clusters(sample), 2
    )
    return line("effective_trials", "scipy + scikit-learn", seconds, 10, float(checked))
