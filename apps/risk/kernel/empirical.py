"""Tails of samples as they were seen: historical and age-weighted."""

from __future__ import annotations

import math

import numpy as np

from apps.core.errors import Invalid
from apps.risk.kernel.conventions import Tail, Terms
from apps.risk.kernel.samples import Floats, over_horizon

# From here on only the low end of a sample is put in order, and the loops are loaded for it.
LARGE = 100_000
PROBES = 4_001
OVERLAPPING = "compounded returns of all overlapping stretches"


def historical(sample: Floats, terms: Terms) -> Tail:
    """Return VaR and ES of the sample's own distribution."""
    stretches = over_horizon(sample, terms.horizon)
    var, es = sample_tail(stretches, terms.tail, terms.quantile, terms.shortfall)
    if terms.horizon == 1:
        return Tail(var, es, "one period")
    note = f"{stretches.size} stretches overlap: about {sample.size // terms.horizon} are new."
    return Tail(var, es, OVERLAPPING, (note,))


def sample_tail(
    sample: Floats, tail: float, quantile: str = "linear", shortfall: str = "at_or_below"
) -> tuple[float, float]:
    """Return VaR and ES, losses positive, of a clean sample.

    Notes
    -----
    ES never falls below VaR: where the two rules would cross, it is the VaR.
    """
    low = low_end(sample, tail)
    at = _quantile(sample, low, tail, quantile)
    if shortfall == "at_or_below":
        mean = float(np.mean(low[: max(int(np.searchsorted(low, at, side="right")), 1)]))
    elif shortfall == "tail":
        mean = _exact_tail_mean(low, round(sample.size * tail, 9))
    else:
        mean = float(np.mean(low[: int((sample.size - 1) * tail + 1e-9) + 1]))
    return -at, max(-mean, -at)


def low_end(sample: Floats, tail: float) -> Floats:
    """Return in ascending order all observations up to some value past the tail.

    Notes
    -----
    The value is guessed from every so-manieth observation; where these mislead, as in a sample
    that repeats itself in step with them, all of it is put in order. Either way the answer is that
    of sorting everything, to the last bit.
    """
    n = sample.size
    if n < LARGE:
        return np.sort(sample)
    from apps.risk.kernel.measure_loops import pack_1d

    needed = math.ceil(n * tail) + 2
    probes = np.sort(sample[:: max(n // PROBES, 1)])
    at = min(int(len(probes) * (tail + 4.0 * math.sqrt(tail / len(probes)))) + 1, len(probes) - 1)
    room = np.empty(n + 1)
    count = int(pack_1d(sample, probes[at], room))
    return np.sort(room[:count] if count >= min(needed, n) else sample)


def _quantile(sample: Floats, low: Floats, tail: float, quantile: str) -> float:
    if quantile == "inverted_cdf":
        return float(low[max(math.ceil(round(sample.size * tail, 9)) - 1, 0)])
    if quantile != "linear":
        whole = low if low.size == sample.size else sample
        return float(np.quantile(whole, tail, method=quantile))  # type: ignore[call-overload]
    place = (sample.size - 1) * tail
    k = int(place)
    below, above, share = float(low[k]), float(low[min(k + 1, low.size - 1)]), place - k
    # From the nearer end, as numpy does: between equal neighbours it is they, and nothing else.
    step = above - below
    return below + step * share if share < 0.5 else above - step * (1.0 - share)


def _exact_tail_mean(low: Floats, mass: float) -> float:
    whole = min(int(mass), low.size)
    if whole >= low.size:
        return float(np.mean(low))
    return (float(np.sum(low[:whole])) + (mass - whole) * float(low[whole])) / mass


def age_weights(n: int, ageing: float) -> Floats:
    """Return weights that sum to 1, oldest first, each ``ageing`` times the next."""
    raw = ageing ** np.arange(n - 1, -1, -1, dtype=np.float64)
    return np.asarray(raw / raw.sum(), dtype=np.float64)


def age_weighted(sample: Floats, terms: Terms) -> Tail:
    """Return VaR and ES of observations whose weight falls with age (BRW).

    Notes
    -----
    ``linear`` interpolates the running sum of weights as the paper does; every other rule takes
    the first observation whose running sum reaches the tail. ES is the mean of exactly the tail.

    References
    ----------
    Boudoukh, Richardson and Whitelaw (1998), Risk 11(5).
    """
    stretches = over_horizon(sample, terms.horizon)
    weights = age_weights(stretches.size, terms.ageing)
    effective = 1.0 / float(np.sum(weights**2))
    if effective < 2.0:
        message = f"The weights leave {effective:.1f} observations; take a slower ageing."
        raise Invalid(message, code="risk.ageing", details={"field": "ageing"})
    var, es = weighted_tail(stretches, weights, terms.tail, linear=terms.quantile == "linear")
    notes = [f"The weights count as {effective:.0f} observations of {stretches.size}."]
    if effective * terms.tail < 1.0:
        notes.append("Less than one of them lies in the tail: the figure is the worst ones'.")
    scaling = "one period" if terms.horizon == 1 else OVERLAPPING
    return Tail(var, es, scaling, tuple(notes), {"effective_observations": effective})


def weighted_tail(
    sample: Floats, weights: Floats, tail: float, *, linear: bool = True
) -> tuple[float, float]:
    """Return VaR and ES of weighted observations; the weights sum to 1."""
    order = np.argsort(sample, kind="stable")
    values, sums = sample[order], np.cumsum(weights[order])
    reach = min(int(np.searchsorted(sums, tail - 1e-12)), values.size - 1)
    at = float(np.interp(tail, sums, values)) if linear else float(values[reach])
    before = float(sums[reach - 1]) if reach else 0.0
    inside = float(values[:reach] @ weights[order][:reach])
    mean = (inside + (tail - before) * float(values[reach])) / tail
    return -at, max(-mean, -at)
