"""Sharpe ratios as estimates, overfitting, effective trials: papers and plain readings."""

import math
from datetime import date
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import silhouette_samples

from apps.backtests.kernel.files import significance_file
from apps.backtests.kernel.integrity import streams
from apps.backtests.kernel.integrity.effective import correlations, effective_trials
from apps.backtests.kernel.integrity.families import (
    Kept,
    family,
    judge,
    scaled_number,
    trials_variance,
)
from apps.backtests.kernel.integrity.holdouts import price, touches
from apps.backtests.kernel.integrity.overfitting import Sums, block_sums, half_masks, overfitting
from apps.backtests.kernel.integrity.sharpe import (
    Moments,
    deflated_sharpe,
    expected_max,
    expected_max_sharpe,
    min_track_record,
    moments,
    months_needed,
    probabilistic_sharpe,
)
from apps.core.errors import Invalid
from tests.speed import deflation


def of_year(sharpe, periods, skewness=0.0, kurtosis=3.0, n=100):
    return Moments(sharpe / math.sqrt(periods), skewness, kurtosis, n)


class TestPublished:
    """Worked numbers of Bailey and López de Prado's papers, as printed there."""

    def test_deflated_sharpe_of_the_paper(self):
        found = of_year(2.5, 250, -3.0, 10.0, 1250)
        assert expected_max_sharpe(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)
        assert deflated_sharpe(found, 100, 0.5 / 250) == pytest.approx(0.9004, abs=5e-5)
        assert deflated_sharpe(found, 46, 0.5 / 250) == pytest.approx(0.9505, abs=5e-5)
        normal = of_year(2.5, 250, n=1250)
        assert deflated_sharpe(normal, 88, 0.5 / 250) == pytest.approx(0.9505, abs=5e-5)

    @pytest.mark.parametrize(
        ("periods", "skewness", "kurtosis", "years"),
        [(250, 0, 3, 2.73), (52, 0, 3, 2.83), (12, 0, 3, 3.24), (12, -0.72, 5.78, 4.99)],
    )
    def test_track_record_of_the_paper(self, periods, skewness, kurtosis, years):
        found = of_year(2.0, periods, skewness, kurtosis)
        needed = min_track_record(found, 1.0 / math.sqrt(periods))
        assert needed / periods == pytest.approx(years, abs=5e-3)

    def test_probabilistic_sharpe_of_the_paper(self):
        assert probabilistic_sharpe(Moments(0.458, 0.0, 3.0, 24)) == pytest.approx(0.982, abs=5e-4)
        found = Moments(0.458, -2.448, 10.164, 24)
        assert probabilistic_sharpe(found) == pytest.approx(0.913, abs=5e-4)


class TestSharpe:
    def test_moments_equal_scipy(self):
        sample = np.random.default_rng(0).standard_t(5, 300) * 0.01 + 0.001
        found = moments(np.append(sample, np.nan))
        assert found.n == 300
        assert found.sharpe == pytest.approx(sample.mean() / sample.std(ddof=1), rel=1e-12)
        assert found.skewness == pytest.approx(stats.skew(sample), rel=1e-10)
        assert found.kurtosis == pytest.approx(stats.kurtosis(sample, fisher=False), rel=1e-10)

    def test_a_flat_stream_has_none(self):
        assert moments(np.full(50, 0.001)) is None
        assert moments(np.zeros(50)) is None
        assert moments(np.array([0.1, 0.2])) is None

    def test_expected_max_equals_drawn_ones(self):
        drawn = np.random.default_rng(1).standard_normal((20_000, 50)).max(axis=1).mean()
        assert expected_max(50) == pytest.approx(drawn, rel=0.02)
        assert expected_max(1) == expected_max(0.2) == 0.0
        assert expected_max(1.01) == 0.0

    def test_the_record_needed_is_where_the_probability_is_reached(self):
        found = Moments(0.08, -0.5, 6.0, 250)
        needed = min_track_record(found, 0.02)
        at = Moments(found.sharpe, found.skewness, found.kurtosis, needed)
        assert probabilistic_sharpe(at, 0.02) == pytest.approx(0.95, rel=1e-9)
        assert months_needed(needed, 250, 252.0) == pytest.approx((needed - 250) / 21.0)
        assert months_needed(needed, 10_000, 252.0) == 0.0
        assert min_track_record(found, 0.08) is None
        assert months_needed(None, 250, 252.0) is None

    def test_the_variance_of_trials_is_at_least_that_of_chance(self):
        assert trials_variance(np.array([0.1, 0.1, np.nan]), 101) == 0.01
        assert trials_variance(np.array([]), 101) == 0.01
        assert trials_variance(np.array([-0.5, 0.5]), 101) == 0.5

    def test_trials_without_returns_count_like_the_others(self):
        assert scaled_number(4.0, 8, 10) == 5.0
        assert scaled_number(0.0, 0, 7) == 7.0

    def test_more_trials_make_a_run_worth_less(self):
        found, ratios = Moments(0.1, 0.0, 3.0, 1000), np.array([0.1, 0.0])
        few, many = (judge(found, ratios, n, 252.0) for n in (1, 50))
        assert few.deflated_sharpe == few.probabilistic_sharpe > many.deflated_sharpe
        assert few.months_needed == 0.0 < many.benchmark
        assert few.sharpe == many.sharpe == pytest.approx(0.1 * math.sqrt(252))


def plain_pbo(returns, blocks):
    """Read the paper's steps word by word, with numpy alone."""
    parts = np.array_split(np.arange(len(returns)), blocks)
    logits, pairs = [], []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[k] for k in chosen])
        outside = np.concatenate([parts[k] for k in range(blocks) if k not in chosen])
        first, second = (
            returns[rows].mean(axis=0) / returns[rows].std(axis=0, ddof=1)
            for rows in (inside, outside)
        )
        best = first.argmax()
        share = stats.rankdata(second)[best] / (returns.shape[1] + 1)
        logits.append(math.log(share / (1 - share)))
        pairs.append((first[best], second[best]))
    return np.array(logits), np.array(pairs)


class TestOverfitting:
    @pytest.mark.parametrize("trials", [2, 7, 20])
    def test_equals_a_plain_reading(self, trials):
        rng = np.random.default_rng(trials)
        returns = rng.standard_normal((96, trials)) * 0.01 + 0.002 * rng.standard_normal(trials)
        logits, pairs = plain_pbo(returns, 8)
        found = overfitting(block_sums(returns, 8))
        assert found.pbo == (logits <= 0).mean()
        assert np.allclose(np.sort(found.logits), np.sort(logits), rtol=0, atol=1e-12)
        assert np.allclose(np.sort(found.outside), np.sort(pairs[:, 1]), rtol=0, atol=1e-12)
        line = stats.linregress(pairs[:, 0], pairs[:, 1])
        assert found.slope == pytest.approx(line.slope, abs=1e-9)
        assert found.intercept == pytest.approx(line.intercept, abs=1e-9)
        assert found.r_squared == pytest.approx(line.rvalue**2, abs=1e-9)
        assert found.loss == (pairs[:, 1] < 0).mean()

    def test_sixteen_blocks_make_12870_splits_the_same_for_any_number_of_threads(self):
        returns = np.random.default_rng(5).standard_normal((200, 12))
        one, two = (overfitting(block_sums(returns), threads=n) for n in (1, 2))
        assert len(one.logits) == len(one.inside) == 12_870 == 2 * len(half_masks(16))
        assert np.array_equal(one.logits, two.logits)
        assert one.dominates == two.dominates

    def test_skill_is_no_overfitting(self):
        returns = np.random.default_rng(6).standard_normal((640, 30))
        returns[:, 4] += 0.4
        found = overfitting(block_sums(returns))
        assert found.pbo < 0.01
        assert found.dominates
        assert found.dominates_second

    def test_what_was_good_in_half_and_bad_in_the_other_is_overfit(self):
        # Each trial does well in its own blocks only, so the best inside loses outside.
        rng, returns = np.random.default_rng(7), np.zeros((320, 16))
        for k in range(16):
            returns[:, k] = rng.standard_normal(320) * 0.1 - 0.1
            returns[k * 20 : k * 20 + 20, k] += 3.0
        found = overfitting(block_sums(returns))
        assert found.pbo > 0.9
        assert found.slope < 0
        assert not found.dominates

    def test_equal_and_flat_trials_tie(self):
        returns = np.zeros((64, 3))
        found = overfitting(block_sums(returns))
        assert np.array_equal(found.logits, np.zeros(12_870))
        constant = overfitting(block_sums(np.full((64, 3), 0.1)))
        assert np.array_equal(constant.outside, np.zeros(12_870))

    def test_says_what_it_cannot_judge(self):
        with pytest.raises(ValueError, match="blocks of at least two"):
            block_sums(np.zeros((31, 2)))
        with pytest.raises(ValueError, match="gaps"):
            block_sums(np.full((64, 2), np.nan))
        with pytest.raises(ValueError, match="at least two"):
            overfitting(block_sums(np.zeros((64, 1))))
        with pytest.raises(ValueError, match="even"):
            overfitting(Sums(np.zeros((3, 2)), np.zeros((3, 2)), np.ones(3)))


class TestEffective:
    def test_equals_the_best_mean_silhouette_over_spread(self):
        rng = np.random.default_rng(8)
        returns = rng.standard_normal((400, 24))
        returns[:, 8:] += 2.0 * np.repeat(rng.standard_normal((400, 4)), 4, axis=1)
        found = effective_trials(returns)
        distances = np.sqrt((1.0 - correlations(returns)) / 2.0)
        tree = linkage(squareform(distances, checks=False), "average")
        cuts = {k: fcluster(tree, k, "maxclust") for k in range(2, 24)}
        widths = {
            k: silhouette_samples(distances, labels, metric="precomputed")
            for k, labels in cuts.items()
        }
        quality = {k: width.mean() / width.std() for k, width in widths.items()}
        assert found.groups == max(quality, key=quality.__getitem__) == len(set(found.labels))
        assert found.quality == pytest.approx(max(quality.values()), rel=1e-6)
        # Eight alone, and four groups of four that are alike by 0.8.
        assert 12 < found.number < 19

    def test_copies_are_one_and_strangers_are_many(self):
        rng = np.random.default_rng(9)
        one = rng.standard_normal(300)
        assert effective_trials(np.repeat(one[:, None], 9, axis=1)).number == pytest.approx(1.0)
        assert effective_trials(rng.standard_normal((300, 40))).number == pytest.approx(
            40, rel=0.1
        )
        assert effective_trials(one[:, None]).number == 1.0
        assert effective_trials(np.zeros((50, 4))).number == pytest.approx(1.0)
        pair = effective_trials(np.column_stack((one, rng.standard_normal(300))))
        assert pair.number == pytest.approx(2.0, rel=0.05)

    def test_is_the_same_each_time(self):
        returns = np.random.default_rng(10).standard_normal((100, 30))
        assert effective_trials(returns).number == effective_trials(returns.copy()).number


class TestWorlds:
    """The short form; ``make soak`` has 200 worlds of 1,000 runs."""

    @pytest.mark.parametrize("kind", list(deflation.KINDS))
    def test_luck_passes_in_at_most_five_percent_of_worlds(self, kind):
        rng = np.random.default_rng(11)
        assert deflation.passes(rng, worlds=100, trials=40, days=260, kind=kind) <= 5

    def test_skill_passes(self):
        rng = np.random.default_rng(12)
        assert deflation.power(rng, worlds=20, trials=10, days=2520, sharpes=(2.0,))[0] >= 0.9


class TestKept:
    """What the ledger keeps of a trial says the same as its returns."""

    def test_sums_and_path_of_a_stream_are_those_of_its_returns(self):
        rng = np.random.default_rng(13)
        returns = rng.standard_normal((1000, 3)) * 0.01
        ts = np.arange(1000, dtype=np.int64)
        kept = [streams.compact(column, ts) for column in returns.T]
        whole = block_sums(returns)
        sums = streams.sums([one.blocks for one in kept], 1000)
        assert np.allclose(sums.ones, whole.ones, rtol=0, atol=1e-15)
        assert np.allclose(sums.squares, whole.squares, rtol=0, atol=1e-15)
        assert np.array_equal(sums.counts, whole.counts)
        paths = streams.paths([one.path for one in kept])
        assert paths.shape == (256, 3)
        assert np.allclose(paths.sum(axis=0), returns.sum(axis=0), atol=1e-6)
        assert len({one.calendar for one in kept}) == 1
        assert len(kept[0].blocks + kept[0].path) == 1280

    def test_what_has_no_stream(self):
        ts = np.arange(2, dtype=np.int64)
        assert streams.compact(np.array([0.1, 0.2]), ts) is None
        assert streams.compact(np.array([0.1, np.nan, 0.2]), np.arange(3)) is None
        flat = streams.compact(np.zeros(20), np.arange(20))
        assert (flat.moments.sharpe, flat.blocks) == (0.0, b"")

    def test_calendars_are_clustered_apart_and_the_largest_is_split(self):
        rng = np.random.default_rng(14)

        def trial(calendar, returns):
            kept = streams.compact(returns, np.arange(len(returns)) + calendar)
            return Kept(
                kept.calendar, kept.moments.n, kept.moments.sharpe, 252.0, kept.blocks, kept.path
            )

        one = rng.standard_normal(300)
        trials = [trial(0, one), trial(0, one), trial(0, rng.standard_normal(300)), trial(9, one)]
        found = family(trials)
        assert (found.streams, found.calendars) == (4, 2)
        assert 2.9 < found.effective < 3.6
        assert found.split["trials"] == 2, "the same returns twice are one choice"
        assert family([]).effective == 0.0

    def test_a_file_of_trials_is_judged_as_a_family_is(self):
        rng = np.random.default_rng(15)
        returns = rng.standard_normal((200, 4)) * 0.01 + np.array([0.0, 0.0, 0.004, 0.0])
        days = np.datetime64("2024-01-01") + np.arange(200)
        lines = [
            f"{day},{','.join(map(repr, row.tolist()))}"
            for day, row in zip(days, returns, strict=True)
        ]
        content = "\n".join(["date,a,b,c,d", *lines]).encode()
        found = significance_file(content, "trials.csv", periods=252.0)
        assert found["best"] == "c"
        assert found["deflated_sharpe"] == pytest.approx(deflation.deflated_of(returns), rel=1e-9)
        assert found["pbo"] == overfitting(block_sums(returns)).pbo
        with pytest.raises(Invalid, match="vary"):
            significance_file(b"date,a\n2024-01-01,0\n2024-01-02,0\n2024-01-03,0", "flat.csv")


class TestHoldoutPrices:
    def test_each_look_takes_half_of_what_is_left(self):
        first, second, many = price(0.05, 0), price(0.05, 1), price(0.05, 2, 3)
        assert (first.price, first.alpha_left, second.price) == (0.025, 0.025, 0.0125)
        assert many.price == pytest.approx(0.0125 * 0.875)
        assert price(0.05, 10_000, 10_000).alpha_left == 0.0
        total = sum(price(0.05, k).price for k in range(60))
        assert total == pytest.approx(0.05)

    def test_ranges_meet_by_a_day(self):
        low, high = date(2020, 1, 1), date(2020, 12, 31)
        assert touches(None, None, low, high)
        assert touches(date(2020, 12, 31), None, low, high)
        assert not touches(date(2021, 1, 1), None, low, high)
        assert not touches(None, date(2019, 12, 31), low, None)
