"""Worlds without skill: returns that keep what they had but the order, or the sign, or the news.

Every generator gives ``(n_worlds, n_bars, n_assets)``. World ``i`` depends on ``seed`` and ``i``
alone, so that the answer is the same on any number of threads and a single world can be made
again. Assets are drawn jointly: what fell together falls together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid

Floats = NDArray[np.float64]
# Writes one world from its key.
Make = Callable[[np.uint64, Floats], object]
MIN_BARS = 20
# Numbers one call may make: 2 GB.
MOST_NUMBERS = 250_000_000
THREADS = 2


def block_length(returns: Floats) -> float:
    """Return the mean block length that serves the stationary bootstrap best, at least 1.

    Parameters
    ----------
    returns
        ``(n_bars,)`` or ``(n_bars, n_assets)``; of several assets the longest is taken.

    Notes
    -----
    The spectrum at 0 and its curvature by the flat-top window of Politis and Romano (1995), which
    ends at twice the first of ``max(5, sqrt(log10 n))`` lags in a row whose autocorrelations are
    below 2 sqrt(log10(n) / n); counted as the authors' own program and ``arch`` count it.

    References
    ----------
    Politis and White (2004), Econometric Reviews 23(1); the correction of Patton, Politis and
    White (2009), 28(4).
    """
    block = _checked(returns)
    return max(_block_length(block[:, i]) for i in range(block.shape[1]))


def _block_length(series: Floats) -> float:
    n = series.size
    gaps = series - series.mean()
    if float(np.ptp(series)) == 0.0:
        return 1.0
    run = max(5, int(math.sqrt(math.log10(n))))
    most = math.ceil(math.sqrt(n)) + run
    covariances = np.array([float(gaps[k:] @ gaps[: n - k]) / n for k in range(most + 1)])
    lags = np.arange(1, _cut(gaps, covariances, run) + 1)
    weighted = 2.0 * np.minimum(1.0, 2.0 * (1.0 - lags / lags[-1])) * covariances[lags]
    curvature, density = float(weighted @ lags), covariances[0] + float(weighted.sum())
    if density == 0.0:
        return 1.0
    found = (curvature**2 / density**2 * n) ** (1.0 / 3.0)
    return float(min(max(found, 1.0), math.ceil(min(3.0 * math.sqrt(n), n / 3.0))))


def _cut(gaps: Floats, covariances: Floats, run: int) -> int:
    """Return the lag at which the window ends: twice the first of ``run`` quiet ones in a row."""
    n, most = gaps.size, covariances.size - 1
    squares = gaps**2
    sums = np.array([squares[k + 1 :].sum() * squares[: n - k - 1].sum() for k in range(most + 1)])
    loud = np.abs(covariances) * n / np.sqrt(sums) >= 2.0 * math.sqrt(math.log10(n) / n)
    quiet = np.lib.stride_tricks.sliding_window_view(~loud[:most], run).all(axis=1)
    if not quiet.any():
        return most
    return min(2 * max(int(np.argmax(quiet)), 1), most)


def bootstrapped(
    returns: Floats,
    n_worlds: int,
    seed: int,
    *,
    block: float | None = None,
    threads: int = THREADS,
) -> Floats:
    """Return worlds of blocks of the past, of random length and place (stationary bootstrap).

    ``block`` is the mean length, that of ``block_length`` without. What it keeps: the law of a
    bar, assets side by side, and order within blocks; what it breaks: any link to a signal.

    References
    ----------
    Politis and Romano (1994), Journal of the American Statistical Association 89(428).
    """
    source = _checked(returns, n_worlds)
    return _each(source, n_worlds, seed, threads, blocks_maker(source, block))


def blocks_maker(source: Floats, block: float | None = None) -> Make:
    """Return what writes one bootstrapped world of checked returns."""
    from apps.backtests.kernel.integrity.world_loops import blocks_2d

    mean = block_length(source) if block is None else float(block)
    if not 1.0 <= mean <= len(source):
        message = f"Blocks of {mean} bars; give a mean length of 1 to {len(source)}."
        raise Invalid(message, code="worlds.block", details={"field": "block"})
    return lambda key, out: blocks_2d(source, mean, key, out)


def phase_randomised(
    returns: Floats, n_worlds: int, seed: int, *, threads: int = THREADS
) -> Floats:
    """Return worlds with the spectra and cross-spectra of the past and random phases.

    Every frequency of all assets is turned by one angle: autocorrelation and correlation at every
    lag are kept exactly (around the circle), and all else, clusters of volatility too, is lost.

    References
    ----------
    Theiler et al. (1992), Physica D 58; Prichard and Theiler (1994), Physical Review Letters 73.
    """
    source = _checked(returns, n_worlds)
    return _each(source, n_worlds, seed, threads, phases_maker(source))


def phases_maker(source: Floats) -> Make:
    """Return what writes one phase-randomised world of checked returns."""
    from apps.backtests.kernel.integrity.world_loops import uniforms_1d

    n = len(source)
    spectrum = np.fft.rfft(source, axis=0)
    turned = slice(1, (n + 1) // 2)

    def make(key: np.uint64, out: Floats) -> None:
        angles = np.empty(len(range(*turned.indices(len(spectrum)))))
        uniforms_1d(key, angles)
        world = spectrum.copy()
        world[turned] *= np.exp(2j * np.pi * angles)[:, None]
        out[:] = np.fft.irfft(world, n, axis=0)

    return make


def sign_flipped(returns: Floats, n_worlds: int, seed: int, *, threads: int = THREADS) -> Floats:
    """Return worlds in which each bar's returns, of all assets together, keep or change sign.

    Sizes, their clusters and the correlation of assets stay; drift and direction go.
    """
    source = _checked(returns, n_worlds)
    return _each(source, n_worlds, seed, threads, flips_maker(source))


def flips_maker(source: Floats) -> Make:
    """Return what writes one sign-flipped world of checked returns."""
    from apps.backtests.kernel.integrity.world_loops import flips_2d

    return lambda key, out: flips_2d(source, key, out)


def garch_worlds(returns: Floats, n_worlds: int, seed: int, *, threads: int = THREADS) -> Floats:
    """Return worlds of a GARCH(1,1) of each asset, with shocks of the past drawn row by row.

    Raises ``Invalid`` as ``risk.kernel.filtered.fit_garch``: 100 bars are the least.
    """
    source = _checked(returns, n_worlds)
    return _each(source, n_worlds, seed, threads, garch_maker(source))


def garch_maker(source: Floats) -> Make:
    """Return what writes one world of the GARCH(1,1) of checked returns; fitted once."""
    from apps.backtests.kernel.integrity.world_loops import garch_2d
    from apps.risk.kernel.filtered import fit_garch, garch_variances

    laws = [fit_garch(source[:, i]) for i in range(source.shape[1])]
    variances = np.stack(
        [garch_variances(source[:, i], law)[:-1] for i, law in enumerate(laws)], axis=1
    )
    means = np.array([law.mean for law in laws])
    shocks = (source - means) / np.sqrt(variances)
    shocks = (shocks - shocks.mean(axis=0)) / shocks.std(axis=0)
    numbers = np.array([[law.mean, law.omega, law.alpha, law.beta] for law in laws])
    start = variances.mean(axis=0)
    return lambda key, out: garch_2d(shocks, numbers, start, key, out)


def random_entries(
    positions: Floats, n_worlds: int, seed: int, *, threads: int = THREADS
) -> Floats:
    """Return worlds of positions entered at random, held as long and as large as these were.

    Each asset's holdings (stretches of one sign) come in random order with the bars out of the
    market spread at random between them.
    """
    from apps.backtests.kernel.integrity.world_loops import entries_2d

    source = _checked(positions, n_worlds)
    return _each(source, n_worlds, seed, threads, lambda key, out: entries_2d(source, key, out))


def _checked(values: Floats, n_worlds: int = 1) -> Floats:
    block = np.asarray(values, dtype=np.float64)
    block = np.ascontiguousarray(block[:, None] if block.ndim == 1 else block)
    if block.ndim != 2 or len(block) < MIN_BARS or block.shape[1] < 1:
        message = f"The past is {block.shape}; give at least {MIN_BARS} bars of one asset or more."
        raise Invalid(message, code="worlds.shape", details={"field": "returns"})
    if not np.isfinite(block.sum()):
        message = "The past holds missing or infinite values; leave such bars out first."
        raise Invalid(message, code="worlds.not_finite", details={"field": "returns"})
    if not 1 <= n_worlds <= MOST_NUMBERS // block.size:
        most = MOST_NUMBERS // block.size
        message = f"{n_worlds} worlds of {block.shape}; ask for 1 to {most:,}."
        raise Invalid(message, code="worlds.many", details={"field": "n_worlds"})
    return block


def keys_of(seed: int, n_worlds: int) -> NDArray[np.uint64]:
    """Return the key of each world's stream of draws."""
    first, second = np.random.SeedSequence(seed).generate_state(2, np.uint64) | np.uint64(1)
    # Multiplication by odd numbers, modulo 2^64: no two worlds share a key.
    numbers = np.arange(n_worlds, dtype=np.uint64)
    keys: NDArray[np.uint64] = first ^ (second * (2 * numbers + np.uint64(1)))
    return keys


def _each(
    source: Floats,
    n_worlds: int,
    seed: int,
    threads: int,
    make: Callable[[np.uint64, Floats], object],
) -> Floats:
    """Return the worlds that ``make`` writes, one stream of draws for each."""
    out = np.empty((n_worlds, *source.shape))
    keys = keys_of(seed, n_worlds)

    def some(start: int) -> None:
        for number in range(start, n_worlds, max(threads, 1)):
            make(keys[number], out[number])

    if threads <= 1:
        some(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(some, range(threads)))
    return out
