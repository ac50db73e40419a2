"""From one row of scores to target weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Scores closer than this share of their size are equal, as in the ranks of expressions.
SAME = 1e-9


def top_equal(scores: Floats, count: int) -> Floats | None:
    """Return equal weights on the ``count`` highest finite scores; None when none is finite.

    Equal scores are taken in column order.
    """
    there = np.flatnonzero(np.isfinite(scores))
    if len(there) == 0:
        return None
    if count < len(there):
        values = scores[there]
        edge = np.partition(values, len(values) - count)[len(values) - count]
        above = there[values > edge]
        tied = there[values == edge][: count - len(above)]
        there = np.concatenate((above, tied))
    weights = np.zeros(len(scores))
    weights[there] = 1.0 / len(there)
    return weights


def quantile_weights(scores: Floats, share: float, *, long_short: bool) -> Floats | None:
    """Return weights on the highest ``share`` of finite scores, short the lowest if asked.

    Parameters
    ----------
    scores
        ``(n_assets,)``; NaN leaves an asset out.
    share
        Of the finite scores, above 0 and at most 1; at least one asset, at most half on each
        side when ``long_short``.

    Returns
    -------
    Weights whose absolute values sum to at most 1 (half on each side when ``long_short``), or
    None when fewer than two scores are finite or all are equal: nothing can then be told apart.

    Notes
    -----
    Each asset clearly inside the share weighs the same. Those tied at its edge divide the places
    that are left evenly, so that neither the order of columns nor rounding picks a side.
    """
    there = np.flatnonzero(np.isfinite(scores))
    values = scores[there]
    if len(there) < 2 or _tied(values.min(), values.max()):
        return None
    most = len(there) // 2 if long_short else len(there)
    count = min(max(round(share * len(there)), 1), most)
    weights = np.zeros(len(scores))
    weights[there] = _places(values, count) / count
    if long_short:
        weights[there] -= _places(-values, count) / count
        weights *= 0.5
    return weights


def _places(values: Floats, count: int) -> Floats:
    """Return how much of ``count`` places each value gets, the highest first."""
    edge = np.partition(values, len(values) - count)[len(values) - count]
    tied = _tied(values, edge)
    above = (values > edge) & ~tied
    left = (count - above.sum()) / tied.sum()
    return np.asarray(above + tied * left)


def _tied(a: Floats | float, b: Floats | float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(a - b) <= SAME * (np.abs(a) + np.abs(b)))
