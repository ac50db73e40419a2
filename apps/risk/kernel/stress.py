"""What a book would lose: past crises, shocks people think of, correlations that break, reversed.

Books are linear: positions by their weight, the signed share of equity, kept as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.risk.kernel.samples import Floats, tail_of

NORMAL = NormalDist()
DAY = 86_400_000_000
# A price may be this old when a window begins or ends; longer means there is none.
STALE = 7 * DAY
MIN_ROWS = 20
TOTAL_LOSS = -1.0
# Leveraged books can lose more than they own, but not any number.
MOST_LOSS = 100.0


@dataclass(frozen=True, slots=True)
class Crisis:
    """A stretch of days by name: from the last close before ``start`` to the close of ``end``."""

    name: str
    title: str
    start: str
    end: str


CRISES = (
    Crisis("1987-10", "Black Monday", "1987-10-14", "1987-10-19"),
    Crisis("1998-08", "Russia and LTCM", "1998-07-20", "1998-10-08"),
    Crisis("2000-03", "End of the dot-com boom", "2000-03-27", "2000-04-14"),
    Crisis("2001-09", "After September 11", "2001-09-10", "2001-09-21"),
    Crisis("2008-09", "Lehman and after", "2008-09-12", "2008-11-20"),
    Crisis("2010-05", "Flash crash and Greece", "2010-05-04", "2010-05-20"),
    Crisis("2011-08", "US downgrade and the euro", "2011-07-25", "2011-08-08"),
    Crisis("2015-08", "Devaluation of the yuan", "2015-08-18", "2015-08-25"),
    Crisis("2018-02", "Volatility products fall", "2018-01-29", "2018-02-08"),
    Crisis("2018-12", "Fourth quarter of 2018", "2018-12-04", "2018-12-24"),
    Crisis("2020-03", "Pandemic", "2020-02-20", "2020-03-23"),
    Crisis("2021-05", "Crypto falls by half", "2021-05-12", "2021-05-23"),
    Crisis("2022-06", "Inflation and rates", "2022-01-04", "2022-06-16"),
    Crisis("2022-11", "FTX", "2022-11-06", "2022-11-21"),
    Crisis("2025-10", "Crypto liquidations", "2025-10-10", "2025-10-11"),
)


@dataclass(frozen=True, slots=True)
class Book:
    """Positions: symbol to weight, the signed share of equity; the rest is cash."""

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not any(self.weights.values()):
            raise Invalid("The book holds nothing; there is nothing to stress.", code="risk.empty")
        wrong = [name for name, share in self.weights.items() if not math.isfinite(share)]
        if wrong:
            message = f"The weight of {', '.join(wrong)} is no finite number."
            raise Invalid(message, code="risk.weights", details={"field": "weights"})

    @property
    def gross(self) -> float:
        """The sum of all weights without their signs."""
        return sum(abs(share) for share in self.weights.values())


def replay(
    book: Book,
    crisis: Crisis,
    ts: NDArray[np.int64],
    closes: Mapping[str, Floats],
) -> dict[str, Any]:
    """Return what the book as it stands would have made in a crisis.

    Parameters
    ----------
    ts
        ``(n,)`` microseconds since 1970 of the bars, ascending.
    closes
        Symbol to ``(n,)`` adjusted closes; NaN is no bar.

    Returns
    -------
    dict
        ``loss`` (positive, share of equity, of the positions that have a history), ``covered``
        (share of the gross book that has), ``missing``, ``worst_day``, ``drawdown``,
        ``positions`` by symbol; ``why_not`` when nothing has a history. Quantities are kept, so
        that a position's loss is its weight times its price change.
    """
    low, high = _micros(crisis.start), _micros(crisis.end) + DAY
    found: dict[str, Floats] = {}
    before = int(np.searchsorted(ts, low))
    after = int(np.searchsorted(ts, high))
    for symbol in book.weights:
        path = _path(ts, closes.get(symbol), before, after, low, high)
        if path is not None:
            found[symbol] = path
    missing = sorted(s for s, share in book.weights.items() if share and s not in found)
    answer: dict[str, Any] = {"name": crisis.name, "title": crisis.title}
    answer |= {"start": crisis.start, "end": crisis.end, "missing": missing}
    if not found:
        return {**answer, "covered": 0.0, "why_not": "No position has prices in these days."}
    value = sum(book.weights[s] * path for s, path in found.items())
    equity = np.concatenate([[1.0], 1.0 + np.asarray(value)])
    peaks = np.maximum.accumulate(equity)
    steps = np.diff(equity)
    return {
        **answer,
        "why_not": "",
        "covered": sum(abs(book.weights[s]) for s in found) / book.gross,
        "loss": -float(equity[-1] - 1.0),
        "worst_day": -float(steps.min()),
        "drawdown": float(np.max(1.0 - equity / peaks)),
        "bars": len(steps),
        "positions": {s: -book.weights[s] * float(path[-1]) for s, path in found.items()},
    }


def _micros(day: str) -> int:
    return int(np.datetime64(day, "us").astype(np.int64))


def _path(
    ts: NDArray[np.int64],
    prices: Floats | None,
    before: int,
    after: int,
    low: int,
    high: int,
) -> Floats | None:
    """Return price changes since before the window, the last price kept where there is no bar."""
    if prices is None or before >= after or before == 0:
        return None
    known = np.flatnonzero(~np.isnan(prices[:after]))
    first, last = known[known < before], known[known >= before]
    if not len(first) or not len(last):
        return None
    if low - int(ts[first[-1]]) > STALE or high - int(ts[last[-1]]) > STALE:
        return None
    inside = prices[before:after].copy()
    holes = np.isnan(inside)
    place = np.where(holes, -1, np.arange(len(inside)))
    place = np.maximum.accumulate(place)
    start = float(prices[first[-1]])
    filled = np.where(place >= 0, inside[np.maximum(place, 0)], start)
    return np.asarray(filled / start - 1.0)


@dataclass(frozen=True, slots=True)
class Correlated:
    """Volatilities and correlations of the positions, from common rows of returns."""

    symbols: tuple[str, ...]
    weights: Floats
    covariance: Floats
    rows: int

    @property
    def sd(self) -> float:
        """The book's volatility over one bar."""
        return math.sqrt(max(0.0, float(self.weights @ self.covariance @ self.weights)))


def correlated(book: Book, returns: Mapping[str, Floats]) -> Correlated:
    """Return the covariance of what the book holds.

    Raises ``Invalid``: ``risk.stress.history`` with a position without returns or with fewer than
    20 common rows, ``risk.stress.constant`` when nothing varies.
    """
    symbols = tuple(s for s, share in book.weights.items() if share)
    without = [s for s in symbols if s not in returns]
    if without:
        message = f"{', '.join(without)}: no returns; leave the position out or load its bars."
        raise Invalid(message, code="risk.stress.history")
    block = np.stack([np.asarray(returns[s], dtype=np.float64) for s in symbols], axis=1)
    whole = block[np.isfinite(block).all(axis=1)]
    if len(whole) < MIN_ROWS:
        message = f"The positions have {len(whole)} returns in common; {MIN_ROWS} are needed."
        raise Invalid(message, code="risk.stress.history")
    covariance = np.atleast_2d(np.cov(whole, rowvar=False, ddof=1))
    weights = np.array([book.weights[s] for s in symbols])
    found = Correlated(symbols, weights, covariance, len(whole))
    if found.sd < 1e-15:
        raise Invalid("The book's value does not vary.", code="risk.stress.constant")
    return found


def break_correlations(
    now: Correlated, *, to: float, strength: float = 1.0, volatility: float = 1.0
) -> Correlated:
    """Return the book's covariance with every correlation moved towards one value.

    Parameters
    ----------
    to
        The correlation all pairs go to: 1 for a panic, 0 for hedges that stop to hedge.
    strength
        How far: 0 leaves them, 1 goes all the way.
    volatility
        What every volatility is multiplied by.

    Raises
    ------
    Invalid
        ``risk.stress.correlation`` for a value at which no such matrix exists.
    """
    n = len(now.symbols)
    least = -1.0 / (n - 1) if n > 1 else -1.0
    if not (least <= to <= 1.0 and 0.0 <= strength <= 1.0 and 0.0 < volatility <= 20.0):
        message = (
            f"Correlation {to}, strength {strength}, volatility {volatility}: {n} positions can "
            f"all correlate from {least:.3f} to 1; strength is 0 to 1, volatility up to 20."
        )
        raise Invalid(message, code="risk.stress.correlation", details={"field": "correlation"})
    sd = np.sqrt(np.diag(now.covariance))
    scale = np.outer(sd, sd)
    with np.errstate(divide="ignore", invalid="ignore"):
        held = np.where(scale > 0.0, now.covariance / scale, 0.0)
    target = np.full((n, n), to)
    moved = (1.0 - strength) * held + strength * target
    np.fill_diagonal(moved, 1.0)
    return Correlated(now.symbols, now.weights, moved * scale * volatility**2, now.rows)


def normal_loss(found: Correlated, level: float) -> tuple[float, float]:
    """Return VaR and ES of a normal book of mean zero."""
    tail = tail_of(level)
    z = NORMAL.inv_cdf(tail)
    return -z * found.sd, NORMAL.pdf(z) / tail * found.sd


def reverse(now: Correlated, loss: float) -> dict[str, Any]:
    """Return the likeliest move of all prices at once that loses ``loss`` of equity.

    Notes
    -----
    The shock of smallest Mahalanobis norm on the plane where the book loses ``loss``:
    d = -loss C w / (w' C w), of norm loss / sd; under a normal law nothing likelier loses as much.
    Where it would take a price below zero the bounds are put in and the answer is found
    numerically.

    Raises
    ------
    Invalid
        ``risk.stress.loss`` unless positive, ``risk.stress.impossible`` when not even the fall of
        every long position to nothing (of a book without shorts) loses as much.
    """
    if not 0.0 < loss <= MOST_LOSS:
        message = f"The loss is {loss}; give a share of equity up to {MOST_LOSS:g}, such as 0.2."
        raise Invalid(message, code="risk.stress.loss", details={"field": "loss"})
    most = float(now.weights.sum()) if (now.weights >= 0.0).all() else math.inf
    if loss > most:
        message = (
            f"The book cannot lose {loss:.1%}: all of it falling to nothing loses {most:.1%}."
        )
        raise Invalid(message, code="risk.stress.impossible", details={"field": "loss"})
    shock = -loss * (now.covariance @ now.weights) / now.sd**2
    norm, how = loss / now.sd, "closed form"
    if (shock < TOTAL_LOSS).any():
        shock, norm = _bounded(now, loss)
        how = "numeric, no price below zero"
    sd = np.sqrt(np.diag(now.covariance))
    return {
        "loss": loss,
        "norm": norm,
        "probability": NORMAL.cdf(-norm),
        "how": how,
        "shocks": {
            s: {"return": float(d), "deviations": float(d / v) if v > 0.0 else 0.0}
            for s, d, v in zip(now.symbols, shock, sd, strict=True)
        },
    }


def _bounded(now: Correlated, loss: float) -> tuple[Floats, float]:
    """Return the smallest shock with no return below -100 %, and its norm."""
    from scipy.optimize import minimize

    # In units of a factor of the covariance, so that a singular one does no harm.
    values, vectors = np.linalg.eigh(now.covariance)
    kept = values > values.max() * 1e-12
    root = vectors[:, kept] * np.sqrt(values[kept])
    pull = root.T @ now.weights
    first = -loss * pull / float(pull @ pull)
    found = minimize(
        lambda z: 0.5 * float(z @ z),
        first,
        jac=lambda z: z,
        method="SLSQP",
        constraints=[
            {"type": "eq", "fun": lambda z: float(pull @ z) + loss, "jac": lambda _: pull},
            {"type": "ineq", "fun": lambda z: root @ z + 1.0, "jac": lambda _: root},
        ],
        options={"maxiter": 500, "ftol": 1e-12},
    )
    shock = np.asarray(root @ found.x)
    if not found.success or abs(float(now.weights @ shock) + loss) > 1e-6 * max(1.0, loss):
        message = f"No move of these prices above zero loses {loss:.1%} of the book."
        raise Invalid(message, code="risk.stress.impossible", details={"field": "loss"})
    return np.maximum(shock, TOTAL_LOSS), float(np.linalg.norm(found.x))


def returns_of(closes: Mapping[str, Floats], symbols: Sequence[str]) -> dict[str, Floats]:
    """Return simple returns of the symbols that have prices."""
    found = {}
    for symbol in symbols:
        prices = closes.get(symbol)
        if prices is not None and np.isfinite(prices).sum() > 1:
            found[symbol] = np.asarray(prices[1:] / prices[:-1] - 1.0, dtype=np.float64)
    return found
