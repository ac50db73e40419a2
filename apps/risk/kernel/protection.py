"""Dynamic stop loss and take profit: how far from the price, by volatility and confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.risk.kernel.policies import Limits

Floats = NDArray[np.float64]

# How much of yesterday's variance stays (RiskMetrics), and how many returns it takes at least.
DECAY, MIN_RETURNS, MAX_RETURNS = 0.94, 20, 250
# Without an opinion a position is neither trusted nor doubted.
NEUTRAL = 0.5
# A stop comes no nearer than this part of the default one: nearer than that is noise.
NEAREST = 0.25


@dataclass(frozen=True, slots=True)
class Policy:
    """Distances as shares of the price.

    ``stop`` serves where volatility is not known; else it is ``multiple`` standard deviations of a
    bar, at most ``most``.
    """

    stop: float = 0.02
    multiple: float = 3.0
    most: float = 0.10


@dataclass(frozen=True, slots=True)
class Levels:
    """Prices at which a position is closed."""

    stop: float
    take: float


def policy_of(limits: Limits) -> Policy | None:
    """Return what a limit set says of protection; None where it is off."""
    if limits.protect_stop is None:
        return None
    plain = Policy()
    return Policy(
        limits.protect_stop,
        plain.multiple if limits.protect_multiple is None else limits.protect_multiple,
        plain.most if limits.protect_max is None else limits.protect_max,
    )


def volatility(closes: Floats) -> float:
    """Return the standard deviation of one bar's return, recent ones weighing more.

    Parameters
    ----------
    closes
        ``(n_bars,)``, the newest last; NaN where there was no trade.

    Returns
    -------
    float
        NaN with fewer than 20 returns, or where all closes are the same.

    Notes
    -----
    ``s2 = sum(w_k r_k^2) / sum(w_k)`` with ``w_k = 0.94^k`` over log returns, k counted back from
    the newest; the mean is taken for nought. Bars without a close are passed over, so the return
    across a gap counts once.

    References
    ----------
    J.P. Morgan/Reuters, RiskMetrics Technical Document, 4th ed. (1996), section 5.2.
    """
    known = closes[np.isfinite(closes) & (closes > 0.0)][-(MAX_RETURNS + 1) :]
    if len(known) <= MIN_RETURNS:
        return math.nan
    returns = np.diff(np.log(known))[::-1]
    weights = DECAY ** np.arange(len(returns))
    found = math.sqrt(float(weights @ returns**2) / float(weights.sum()))
    return found if found > 0.0 else math.nan


def stop_distance(sigma: float, confidence: float, policy: Policy) -> float:
    """Return how far a stop lies from the price, as a share of it.

    Notes
    -----
    ``multiple * sigma * (0.75 + confidence / 2)``, within ``stop / 4`` and ``most``: a position
    that is trusted gets more room. Without a volatility it is ``stop``, 2 % by default.
    """
    _check_confidence(confidence)
    if not sigma > 0.0 or not math.isfinite(sigma):
        return min(policy.stop, policy.most)
    wide = policy.multiple * sigma * (0.75 + confidence / 2.0)
    return min(max(wide, NEAREST * policy.stop), policy.most)


def take_distance(stop: float, confidence: float) -> float:
    """Return how far a take profit lies from the price of entry: 1 to 3 times the stop."""
    _check_confidence(confidence)
    return stop * (1.0 + 2.0 * confidence)


def levels(
    *,
    quantity: float,
    entry: float,
    close: float,
    sigma: float,
    policy: Policy,
    confidence: float = NEUTRAL,
    before: Levels | None = None,
) -> Levels:
    """Return where a position is closed from the next bar on.

    Parameters
    ----------
    quantity
        Signed units held; not 0.
    entry, close
        Average price of the position, and the last price.
    sigma
        Standard deviation of one bar's return; NaN where it is not known.
    before
        The levels in force. A stop follows the price and never goes back.

    Raises
    ------
    Invalid
        ``protection.position`` for a quantity or a price that is none, ``protection.confidence``.
    """
    numbers = (entry, close)
    sound = math.isfinite(quantity) and quantity != 0.0
    if not sound or not all(math.isfinite(number) and number > 0.0 for number in numbers):
        message = f"A position of {quantity} from {entry}, now at {close}, can't be protected."
        raise Invalid(message, code="protection.position")
    side = math.copysign(1.0, quantity)
    away = stop_distance(sigma, confidence, policy)
    best = max(entry, close) if side > 0.0 else min(entry, close)
    stop = best * (1.0 - side * away)
    if before is not None:
        stop = max(stop, before.stop) if side > 0.0 else min(stop, before.stop)
    # What is sold short can't fall below nothing.
    take = max(entry * (1.0 + side * take_distance(away, confidence)), entry * 1e-3)
    return Levels(stop, take)


def has_moved(before: Levels, after: Levels, close: float) -> bool:
    """Tell whether levels differ enough to be sent anew: by a tenth of their way to the price."""
    return any(
        abs(new - old) > 0.1 * max(abs(close - old), 1e-3 * close)
        for old, new in ((before.stop, after.stop), (before.take, after.take))
    )


def _check_confidence(confidence: float) -> None:
    if not 0.0 <= confidence <= 1.0:
        message = f"A confidence of {confidence}; it is a number from 0 to 1."
        raise Invalid(message, code="protection.confidence")
