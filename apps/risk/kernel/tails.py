"""The far tail: losses over a threshold follow a generalised Pareto law."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from apps.core.errors import Invalid
from apps.risk.kernel.conventions import Tail, Terms
from apps.risk.kernel.samples import Floats

MIN_EXCESSES = 20
# At this shape the mean of the tail is infinite.
HEAVIEST = 1.0
LIGHTEST = -0.5


@dataclass(frozen=True, slots=True)
class Pareto:
    """A generalised Pareto law of excesses: shape, scale, threshold, how many of how many."""

    shape: float
    scale: float
    threshold: float
    excesses: int
    observations: int

    def tail_at(self, tail: float) -> tuple[float, float]:
        """Return VaR and ES, losses positive, at a tail no larger than the excesses' share."""
        ratio = tail * self.observations / self.excesses
        if abs(self.shape) < 1e-9:
            var = self.threshold - self.scale * math.log(ratio)
        else:
            var = self.threshold + self.scale * math.expm1(-self.shape * math.log(ratio)) / (
                self.shape
            )
        es = (var + self.scale - self.shape * self.threshold) / (1.0 - self.shape)
        return var, es


def fit_pareto(losses: Floats, share_below: float) -> Pareto:
    """Return the law of the losses over their ``share_below`` quantile, by highest likelihood.

    Parameters
    ----------
    losses
        ``(n,)``, positive when money is lost.

    Raises
    ------
    Invalid
        ``risk.too_few`` with fewer than 20 losses over the threshold, ``risk.fit`` when none fits.

    Notes
    -----
    Grimshaw's reduction: with t = shape / scale the shape is the mean of log(1 + t x), so that
    one number is searched for. The search keeps the shape above -0.5.

    References
    ----------
    Grimshaw (1993), Technometrics 35(2). McNeil and Frey (2000), Journal of Empirical Finance 7.
    """
    threshold = float(np.quantile(losses, share_below))
    excesses = losses[losses > threshold] - threshold
    if excesses.size < MIN_EXCESSES:
        message = (
            f"{excesses.size} of {losses.size} losses lie over the threshold; the extreme value "
            f"method asks for {MIN_EXCESSES}: take a lower threshold or more history."
        )
        raise Invalid(message, code="risk.too_few", details={"field": "threshold"})
    shape, scale = _most_likely(excesses)
    return Pareto(shape, scale, threshold, int(excesses.size), int(losses.size))


def _most_likely(excesses: Floats) -> tuple[float, float]:
    """Return shape and scale of highest likelihood."""
    from scipy.optimize import minimize_scalar

    mean, largest = float(excesses.mean()), float(excesses.max())
    scaled = excesses / mean
    lowest = -mean / largest * (1.0 - 1e-9)
    # The likelihood by t may have two hills, on either side of 0: each is climbed by itself.
    stretches = ((lowest, -1e-6), (1e-6, 1.0), (1.0, 50.0))
    found = [
        minimize_scalar(
            _profile_loss,
            bounds=stretch,
            args=(scaled,),
            method="bounded",
            options={"xatol": 1e-12},
        )
        for stretch in stretches
    ]
    best = min(found, key=lambda one: float(one.fun))
    if float(best.fun) >= 1.0 or not math.isfinite(best.fun):
        return 0.0, mean
    shape = float(np.mean(np.log1p(best.x * scaled)))
    return shape, shape / float(best.x) * mean


def _profile_loss(t: float, scaled: Floats) -> float:
    """Return the mean negative log likelihood at t = shape / scale; the exponential law has 1."""
    shape = float(np.mean(np.log1p(t * scaled)))
    if shape < LIGHTEST:
        return 1e6
    return math.log(shape / t) + shape + 1.0


def extreme_value(sample: Floats, terms: Terms) -> Tail:
    """Return VaR and ES by peaks over a threshold.

    Raises
    ------
    Invalid
        ``risk.evt_level`` for a level below the threshold's, ``risk.evt_infinite`` when the mean
        of the tail is infinite, ``risk.too_few``.

    Notes
    -----
    Over a horizon: one period's figure times its square root.
    """
    share = 1.0 - terms.threshold
    law = fit_pareto(-sample, terms.threshold)
    if terms.tail > law.excesses / law.observations + 1e-12:
        message = (
            f"The level {terms.level} lies below the threshold ({terms.threshold}); take a higher "
            "level, a lower threshold, or the historical method."
        )
        raise Invalid(message, code="risk.evt_level", details={"field": "level"})
    if law.shape >= HEAVIEST:
        message = f"The tail's shape is {law.shape:.2f}: its mean is infinite, so there is no ES."
        raise Invalid(message, code="risk.evt_infinite", details={"field": "method"})
    var, es = law.tail_at(terms.tail)
    root = math.sqrt(terms.horizon)
    figures = {
        "shape": law.shape,
        "scale": law.scale,
        "threshold": law.threshold,
        "excesses": float(law.excesses),
        "share": law.excesses / law.observations,
    }
    reached = "one period" if terms.horizon == 1 else "square root of time"
    note = f"{law.excesses} losses over {law.threshold:.4f}, the worst {share:.0%}."
    return Tail(var * root, es * root, reached, (note,), figures)
