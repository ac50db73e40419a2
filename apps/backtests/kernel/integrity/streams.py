"""What is kept of a trial's returns: enough to compare it with any other, in 1.3 kB.

Ten thousand trials over ten years of days are 200 MB of returns and 13 MB so: moments, the sums of
returns and squares by block (all that CSCV reads), and the path in at most 256 steps, by which
trials are clustered. The correlation of two paths errs by at most 0.06 beside that of the days
for strangers, by 0.006 for trials alike by 0.95.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.integrity.overfitting import BLOCKS, Sums, block_sums
from apps.backtests.kernel.integrity.sharpe import Moments, moments

Floats = NDArray[np.float64]
STEPS = 256
FLAT = Moments(0.0, 0.0, 3.0, 0)


@dataclass(frozen=True, slots=True)
class Stream:
    """A trial's returns in short; ``calendar`` names the bars, ``blocks`` is empty for a few."""

    calendar: str
    moments: Moments
    blocks: bytes
    path: bytes

    @property
    def digest(self) -> str:
        """Return the sha-256 of what is kept."""
        return sha256(self.calendar.encode() + self.blocks + self.path).hexdigest()


def compact(returns: Floats, ts: NDArray[np.int64]) -> Stream | None:
    """Return what is kept of returns by bar; None for fewer than 3 or one that is not finite.

    Parameters
    ----------
    returns
        ``(n,)`` per bar.
    ts
        ``(n,)`` when each ended, microseconds since 1970.
    """
    n = len(returns)
    if n < 3 or not np.isfinite(returns).all():
        return None
    found = moments(returns) or Moments(FLAT.sharpe, FLAT.skewness, FLAT.kurtosis, n)
    steps = min(STEPS, n)
    edges = [n * k // steps for k in range(steps)]
    path = np.add.reduceat(returns, edges).astype("<f4").tobytes()
    blocks = b""
    if n >= 2 * BLOCKS:
        sums = block_sums(returns[:, None])
        blocks = np.concatenate((sums.ones, sums.squares)).astype("<f8").tobytes()
    return Stream(f"{int(ts[0])}/{int(ts[-1])}/{n}", found, blocks, path)


def paths(rows: Sequence[bytes]) -> Floats:
    """Return the paths of trials of one calendar as ``(steps, n_trials)``."""
    return np.array([np.frombuffer(row, "<f4") for row in rows], dtype=np.float64).T


def sums(rows: Sequence[bytes], n: int) -> Sums:
    """Return the sums by block of trials of one calendar of ``n`` bars."""
    both = np.array([np.frombuffer(row, "<f8").reshape(2, BLOCKS) for row in rows])
    edges = [n * k // BLOCKS for k in range(BLOCKS + 1)]
    counts = np.diff(edges).astype(np.float64)
    return Sums(np.ascontiguousarray(both[:, 0].T), np.ascontiguousarray(both[:, 1].T), counts)
