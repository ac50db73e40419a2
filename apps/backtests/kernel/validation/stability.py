"""How steady a walk-forward was: what was lost outside of training, how its choices moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.spaces import Axis, Space

Floats = NDArray[np.float64]


def degradation(
    rows: Sequence[Mapping[str, Any]], stitched: float | None, periods: float
) -> dict[str, Any]:
    """Return what the chosen combinations came to in training and outside of it.

    Parameters
    ----------
    rows
        Folds with ``train`` and ``test``: ``sharpe`` per year and ``mean`` return per bar.
    stitched
        The Sharpe ratio of all test windows together.

    Returns
    -------
    dict
        ``train_sharpe``, ``test_sharpe``: means over folds. ``lost``: 1 less the stitched ratio
        over the mean one in training, None unless that is positive. ``efficiency``: yearly mean
        return outside over that in training (Pardo's walk-forward efficiency, with mean for total
        returns), None unless that is positive. ``slope``, ``intercept``, ``r_squared``: outside
        on inside by least squares over folds. ``positive``: share of folds that gained.
    """
    train, test = ([row[side]["sharpe"] for row in rows] for side in ("train", "test"))
    pairs = [(x, y) for x, y in zip(train, test, strict=True) if x is not None and y is not None]
    means = [float(np.mean([row[side]["mean"] for row in rows])) for side in ("train", "test")]
    inside = _mean([x for x in train if x is not None])
    is_known = inside is not None and inside > 0.0 and stitched is not None
    return {
        "train_sharpe": inside,
        "test_sharpe": _mean([y for y in test if y is not None]),
        "lost": 1.0 - stitched / inside if is_known else None,  # type: ignore[operator]
        "train_return": means[0] * periods,
        "test_return": means[1] * periods,
        "efficiency": means[1] / means[0] if means[0] > 0.0 else None,
        "positive": float(np.mean([row["test"]["mean"] > 0.0 for row in rows])),
        **_line(pairs),
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _line(pairs: Sequence[tuple[float, float]]) -> dict[str, float | None]:
    x, y = (np.array([pair[place] for pair in pairs], dtype=np.float64) for place in (0, 1))
    if len(pairs) < 3 or np.ptp(x) == 0.0:
        return dict.fromkeys(("slope", "intercept", "r_squared"))
    gap_x, gap_y = x - x.mean(), y - y.mean()
    slope = float(gap_x @ gap_y / (gap_x @ gap_x))
    spread = float(gap_y @ gap_y)
    fitted = slope * gap_x
    return {
        "slope": slope,
        "intercept": float(y.mean() - slope * x.mean()),
        "r_squared": float(fitted @ fitted) / spread if spread > 0.0 else None,
    }


def plateau(space: Space, scores: Floats, best: int | None) -> dict[str, Any] | None:
    """Return how the combinations one step away from the best scored; None without a best.

    ``share`` is their mean over the best, None unless that is positive: near 1 on a plateau, far
    below on a peak that stands alone.
    """
    if best is None:
        return None
    near = scores[neighbours(space, best)]
    known = near[np.isfinite(near)]
    mean = float(known.mean()) if len(known) else None
    top = float(scores[best])
    share = mean / top if mean is not None and top > 0.0 else None
    return {"neighbours": len(known), "mean": mean, "share": share}


def neighbours(space: Space, number: int) -> list[int]:
    """Return the combinations that differ from one by one place of one ordered axis."""
    sizes = [len(axis.values) for axis in space.axes]
    strides = [int(np.prod(sizes[place + 1 :], dtype=np.int64)) for place in range(len(sizes))]
    found = []
    for axis, size, stride in zip(space.axes, sizes, strides, strict=True):
        place = number // stride % size
        steps = (-1, 1) if is_ordered(axis) else ()
        found += [number + step * stride for step in steps if 0 <= place + step < size]
    return sorted(found)


def is_ordered(axis: Axis) -> bool:
    """Tell whether an axis has numbers, in ascending order."""
    numbers = [v for v in axis.values if isinstance(v, int | float) and not isinstance(v, bool)]
    return len(numbers) == len(axis.values) and numbers == sorted(numbers)


def stability(space: Space, chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how the choices of folds, in order, moved.

    Returns
    -------
    dict
        ``kept``: share of folds, from the second on, that chose what the one before did. By
        parameter: values chosen, the most frequent and its share of folds, how many there were,
        and ``moves``: the mean step between folds as a share of the axis, None where its values
        have no order.
    """
    numbers = [one["number"] for one in chosen]
    kept = [before == after for before, after in pairwise(numbers)]
    return {
        "kept": float(np.mean(kept)) if kept else None,
        "distinct": len(set(numbers)),
        "parameters": [_parameter(axis, chosen) for axis in space.axes],
    }


def _parameter(axis: Axis, chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values = [one["params"].get(axis.name) for one in chosen]
    known = [value for value in values if value is not None]
    # Of equally frequent values the one that comes first on the axis.
    order = {value: place for place, value in enumerate(axis.values)}
    counted = sorted(Counter(known).items(), key=lambda pair: (-pair[1], order[pair[0]]))
    places = [order[value] for value in known]
    is_moving = is_ordered(axis) and len(axis.values) > 1 and len(places) > 1
    steps = np.abs(np.diff(places)) / (len(axis.values) - 1) if is_moving else None
    return {
        "name": axis.name,
        "values": values,
        "of": list(axis.values),
        "mode": counted[0][0] if counted else None,
        "modal_share": counted[0][1] / len(values) if counted else None,
        "distinct": len(counted),
        "moves": None if steps is None else float(steps.mean()),
    }
