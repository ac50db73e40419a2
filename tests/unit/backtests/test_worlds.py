"""Null worlds: what each keeps and what it breaks, against arch, plain numpy and hand counts."""

import numpy as np
import pytest

from apps.backtests.kernel.integrity import world_loops, worlds
from apps.core.errors import Invalid

N, M = 400, 3
MAKERS = {
    "bootstrapped": worlds.bootstrapped,
    "phase_randomised": worlds.phase_randomised,
    "sign_flipped": worlds.sign_flipped,
    "garch_worlds": worlds.garch_worlds,
    "random_entries": worlds.random_entries,
}


@pytest.fixture(scope="module")
def past():
    """Three assets that move together, with autocorrelation and clusters of volatility."""
    rng = np.random.default_rng(8)
    root = np.linalg.cholesky(np.array([[1, 0.6, 0.2], [0.6, 1, 0.1], [0.2, 0.1, 1.0]]))
    shocks = rng.standard_normal((N, M)) @ root.T
    found, wide = np.zeros((N, M)), np.full(M, 1e-4)
    for t in range(N):
        gap = np.sqrt(wide) * shocks[t]
        found[t] = 0.0004 + (0.3 * found[t - 1] if t else 0.0) + gap
        wide = 5e-6 + 0.1 * gap**2 + 0.85 * wide
    return found


def correlation_at(block, lag):
    gaps = block - block.mean(axis=0)
    return np.sum(gaps * np.roll(gaps, lag, axis=0), axis=0) / np.sum(gaps**2, axis=0)


@pytest.mark.parametrize("name", MAKERS)
def test_worlds_depend_on_seed_and_number_alone(past, name):
    make = MAKERS[name]
    source = np.sign(past) if name == "random_entries" else past
    one, two = make(source, 5, 7, threads=1), make(source, 5, 7, threads=3)
    assert one.shape == (5, N, M)
    assert np.array_equal(one, two)
    assert np.array_equal(one[:3], make(source, 3, 7))
    assert not np.array_equal(one, make(source, 5, 8))
    assert not np.array_equal(one[0], one[1])


def persistent(weight):
    noise, made = np.random.default_rng(4).standard_normal(500), np.zeros(500)
    for t in range(1, 500):
        made[t] = weight * made[t - 1] + noise[t]
    return made


# arch 8.0.0, bootstrap.optimal_block_length, column "stationary", of the same series.
@pytest.mark.parametrize(
    ("weight", "peer"),
    [
        (0.0, 1.8565700899078967),
        (0.2, 5.630622752090233),
        (0.7, 23.25870844141277),
        (0.95, 35.024439165462574),
        (-0.5, 8.778327057491866),
    ],
)
def test_block_length_is_archs(weight, peer):
    assert worlds.block_length(persistent(weight)) == pytest.approx(max(peer, 1.0), rel=1e-9)


def test_blocks_are_of_the_past_and_as_long_as_asked(past):
    block, count = 8.0, 40
    found = worlds.bootstrapped(past, count, 3, block=block)
    place = {tuple(row): i for i, row in enumerate(past)}
    at = np.array([[place[tuple(row)] for row in world] for world in found])
    follows = (at[:, 1:] - at[:, :-1]) % N == 1
    # Geometric lengths: a row follows the last one with chance 1 - 1/block (or by chance 1/N).
    error = np.sqrt(0.125 * 0.875 / follows.size)
    assert follows.mean() == pytest.approx(1 - 1 / block, abs=5 * error + 1 / N)
    share = np.bincount(at.ravel(), minlength=N) / at.size
    assert share.max() < 6 / N
    gap = found.mean(axis=(0, 1)) - past.mean(axis=0)
    assert np.all(np.abs(gap) < 5 * past.std(axis=0) * np.sqrt(2 * block / (count * N)))
    within = np.mean([correlation_at(world, 1) for world in found], axis=0)
    assert within == pytest.approx((1 - 1 / block) * correlation_at(past, 1), abs=0.06)


def test_phases_are_random_and_spectra_are_kept(past):
    found = worlds.phase_randomised(past, 6, 5)
    for world in found:
        assert world.mean(axis=0) == pytest.approx(past.mean(axis=0), abs=1e-15)
        assert np.cov(world.T) == pytest.approx(np.cov(past.T), rel=1e-9)
        for lag in (1, 2, 9):
            assert correlation_at(world, lag) == pytest.approx(correlation_at(past, lag), abs=1e-9)
    odd = worlds.phase_randomised(past[:-1], 2, 5)
    assert odd[0].std(axis=0) == pytest.approx(past[:-1].std(axis=0), rel=1e-9)
    assert abs(np.corrcoef(found[0][:, 0], past[:, 0])[0, 1]) < 0.3


def test_signs_flip_for_all_assets_together(past):
    found = worlds.sign_flipped(past, 50, 6)
    signs = found / past
    assert np.all(np.abs(signs) == 1.0)
    assert np.all(signs == signs[:, :, :1])
    assert abs(signs.mean()) < 5 / np.sqrt(50 * N)


def test_garch_worlds_keep_moments_and_clusters(past):
    from apps.risk.kernel.filtered import fit_garch

    found = worlds.garch_worlds(past, 60, 7)
    law = fit_garch(past[:, 0])
    wide = law.omega / (1.0 - law.alpha - law.beta)
    assert found[:, :, 0].var() == pytest.approx(wide, rel=0.25)
    assert found.mean(axis=(0, 1)) == pytest.approx(past.mean(axis=0), abs=1.5e-3)
    apart = np.mean([np.corrcoef(world.T) for world in found], axis=0)
    assert apart == pytest.approx(np.corrcoef(past.T), abs=0.12)
    squares = np.mean([correlation_at(world**2, 1)[0] for world in found])
    assert squares > 0.03


def holdings(row):
    """Stretches of one sign, as sorted tuples."""
    cuts = np.flatnonzero(np.diff(np.sign(row))) + 1
    return sorted(tuple(part) for part in np.split(row, cuts) if part[0] != 0.0)


def test_entries_are_random_and_holdings_are_those_that_were():
    rng = np.random.default_rng(3)
    row = np.zeros(120)
    for start, length in ((3, 5), (20, 1), (40, 12), (70, 7), (100, 3)):
        row[start : start + length] = rng.uniform(0.1, 1.0, length)
    found = worlds.random_entries(row, 300, 9)[:, :, 0]
    assert np.all(np.isclose(found.sum(axis=1), row.sum()))
    apart = [world for world in found if len(holdings(world)) == 5]
    assert len(apart) > 100, "holdings of one sign may come to stand side by side"
    assert all(holdings(world) == holdings(row) for world in apart)
    busy = (found != 0.0).mean(axis=0)
    assert busy[20:100] == pytest.approx(28 / 120, abs=0.12)


def test_loops_equal_their_plain_twins(past):
    out, again, key = np.empty((N, M)), np.empty((N, M)), np.uint64(99)
    with np.errstate(over="ignore"):
        for loop, before in (
            (world_loops.blocks_2d, (past, 5.0)),
            (world_loops.flips_2d, (past,)),
            (world_loops.entries_2d, (np.sign(past[:, :1]),)),
        ):
            width = before[0].shape[1]
            loop(*before, key, out[:, :width])
            loop.py_func(*before, key, again[:, :width])
            assert np.array_equal(out[:, :width], again[:, :width]), loop


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"returns": np.zeros(5)}, "worlds.shape"),
        ({"returns": np.zeros((30, 0))}, "worlds.shape"),
        ({"returns": np.full(30, np.nan)}, "worlds.not_finite"),
        ({"n_worlds": 0}, "worlds.many"),
        ({"n_worlds": 10**9}, "worlds.many"),
        ({"block": 0.5}, "worlds.block"),
        ({"block": float("nan")}, "worlds.block"),
    ],
)
def test_what_is_no_past_is_refused(change, code):
    asked = {"returns": np.arange(30.0), "n_worlds": 2, **change}
    with pytest.raises(Invalid) as caught:
        worlds.bootstrapped(asked.pop("returns"), asked.pop("n_worlds"), 1, **asked)
    assert caught.value.code == code


def test_nothing_that_moves_is_one_bar_long():
    assert worlds.block_length(np.full(50, 0.01)) == 1.0
