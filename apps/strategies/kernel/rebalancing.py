"""Scores acted on at the first close of each period: what cross-sectional strategies share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from apps.strategies.kernel.interface import Features, Floats, View

Weigh = Callable[[Floats], Floats | None]


def features_of(scores: Floats, periods: Floats) -> Features:
    """Return scores and period numbers as causal features, each ``(n_bars, n_assets)``."""
    return {"score": scores, "period": np.broadcast_to(periods[:, None], scores.shape)}


def decide_at(view: View, weigh: Weigh) -> Floats | None:
    """Return weights at the first close of a period that has scores, else None."""
    period = float(view.features["period"][view.i][0])
    if view.memory.get("period") == period:
        return None
    weights = weigh(view.features["score"][view.i])
    if weights is not None:
        view.memory["period"] = period
    return weights


def targets_of(features: Features, weigh: Weigh) -> Floats:
    """Return the array twin of ``decide_at``: weights in the rows where it would decide."""
    scores, periods = features["score"], features["period"][:, 0]
    out = np.full(scores.shape, np.nan)
    done = np.nan
    for i in np.flatnonzero(np.isfinite(scores).any(axis=1)):
        if periods[i] != done:
            weights = weigh(scores[i])
            if weights is not None:
                out[i], done = weights, periods[i]
    return out
