"""From one row of scores to target weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def top_equal(scores: Floats, count: int) -> Floats | None:
    """Return equal weights on the ``count`` highest finite scores; None when none is finite.

    Equal scores are taken in column order.
    """
    order = _ranked(scores)
    if len(order) == 0:
        return None
    chosen = order[::-1][:count] if count < len(order) else order
    return _spread(len(scores), chosen, 1.0)


def quantile_weights(scores: Floats, share: float, *, long_short: bool) -> Floats | None:
    """Return equal weights on the highest ``share`` of finite scores, short the lowest if asked.

    Parameters
    ----------
    scores
        ``(n_assets,)``; NaN leaves an asset out.
    share
        Of the finite scores, above 0 and at most 1; at least one asset, at most half on each
        side when ``long_short``.

    Returns
    -------
    Weights whose absolute values sum to 1 (half on each side when ``long_short``), or None when
    fewer than two scores are finite or all are equal: nothing can then be told apart.
    """
    order = _ranked(scores)
    if len(order) < 2 or scores[order[0]] == scores[order[-1]]:
        return None
    most = len(order) // 2 if long_short else len(order)
    count = min(max(round(share * len(order)), 1), most)
    if not long_short:
        return _spread(len(scores), order[-count:], 1.0)
    weights: Floats = _spread(len(scores), order[-count:], 0.5)
    weights -= _spread(len(scores), order[:count], 0.5)
    return weights


def _ranked(scores: Floats) -> NDArray[np.intp]:
    """Return the columns of finite scores, lowest first; of equals the first column is last."""
    order = np.argsort(-scores, kind="stable")[::-1]
    return order[np.isfinite(scores[order])]


def _spread(size: int, chosen: NDArray[np.intp], total: float) -> Floats:
    weights = np.zeros(size)
    weights[chosen] = total / len(chosen)
    return weights
