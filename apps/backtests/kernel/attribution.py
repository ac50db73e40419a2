"""How much of a difference is the code's, the parameters', the data's: by all mixtures of both.

References
----------
Shapley, L. S. (1953), "A value for n-person games", Contributions to the Theory of Games II.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations, product
from math import factorial

MOST_FACTORS = 3


def corners(factors: int) -> list[str]:
    """Return the names of all mixtures: ``10`` takes the first part of the other run."""
    return ["".join(bits) for bits in product("01", repeat=factors)]


def mixed(factors: int) -> list[str]:
    """Return the mixtures that are neither of the two runs."""
    return corners(factors)[1:-1]


def shapley(factors: Sequence[str], values: Mapping[str, float]) -> dict[str, float]:
    """Return what each factor adds, on average over all orders in which they are exchanged.

    Parameters
    ----------
    values
        The figure of every mixture, by its name of :func:`corners`.

    Notes
    -----
    The shares add up to the whole difference; a factor that changes nothing gets 0.
    """
    shares = dict.fromkeys(factors, 0.0)
    for order in permutations(range(len(factors))):
        bits = ["0"] * len(factors)
        for place in order:
            before = values["".join(bits)]
            bits[place] = "1"
            shares[factors[place]] += values["".join(bits)] - before
    return {name: share / factorial(len(factors)) for name, share in shares.items()}
