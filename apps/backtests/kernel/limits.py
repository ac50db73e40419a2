"""Risk limits on target weights, applied alike by both gears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WeightLimits:
    """What target weights may come to; None is no limit.

    Parameters
    ----------
    max_position_share
        Largest weight of one asset, either way; a larger one is cut to it.
    max_exposure, max_leverage
        Largest sum of weights, signs aside; above it all are scaled down alike.
    """

    max_position_share: float | None = None
    max_exposure: float | None = None
    max_leverage: float | None = None


def limits_from(values: Mapping[str, Any] | None) -> WeightLimits | None:
    """Return limits from JSON, None for none. Raises ``Invalid`` for what is no limit here."""
    if not values:
        return None
    known = [field.name for field in fields(WeightLimits)]
    for name, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if name not in known or not number or not 0 < value < np.inf:
            message = (
                f"limits.{name} = {value!r}; backtests take positive numbers for "
                f"{', '.join(known)}."
            )
            raise Invalid(message, code="limits.unknown", details={"field": f"limits.{name}"})
    return WeightLimits(**{name: float(value) for name, value in values.items()})


def limited(weights: Floats, limits: WeightLimits | None) -> Floats:
    """Return weights, one row or many, brought within the limits; NaN cells stay."""
    if limits is None:
        return weights
    out = np.array(weights, dtype=np.float64)
    if limits.max_position_share is not None:
        out = np.clip(out, -limits.max_position_share, limits.max_position_share)
    tops = [top for top in (limits.max_exposure, limits.max_leverage) if top is not None]
    if tops:
        gross = np.nansum(np.abs(out), axis=-1, keepdims=True)
        out = out * np.where(gross > min(tops), min(tops) / np.where(gross > 0, gross, 1.0), 1.0)
    return out
