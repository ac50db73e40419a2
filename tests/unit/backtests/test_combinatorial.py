"""Combinatorial purged CV: the book's example, skfolio beside it, a plain loop, CSCV, noise."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from skfolio.model_selection import CombinatorialPurgedCV

from apps.backtests.kernel.integrity.overfitting import block_sums, overfitting
from apps.backtests.kernel.trials import OBJECTIVES
from apps.backtests.kernel.validation import splits, tallies
from apps.backtests.kernel.validation.combinatorial import (
    distribution,
    path_returns,
    split_rows,
    trials_of,
)
from apps.backtests.kernel.validation.ground import Ground, score
from apps.backtests.kernel.validation.kinds import KINDS
from apps.backtests.kernel.validation.splits import SplitPlan
from apps.core.errors import Invalid
from apps.strategies.library.sma_crossover import SmaCrossover
from tests.unit.backtests.panels import panel_of
from tests.unit.backtests.test_validation import DAY, ground_of, plainly, walk

PLAN = {"groups": 5, "test_groups": 2, "purge": 7, "embargo": 4}


def walked_prices(n, seed=3):
    rng = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(rng.normal(0.0003, 0.012, n)))
    return panel_of(closes)


def bare(returns, objective="sharpe", periods=252.0):
    """A ground for returns that are there already."""

    class Bare(Ground):
        periods = 252.0

    axes = type("Axes", (), {"axes": ()})()
    every = tuple({} for _ in range(returns.shape[1]))
    return Bare(None, None, None, axes, every, objective, {})


PAIRS = [(a, b) for a in range(5) for b in range(a + 1, 5)]


def yearly(returns, periods):
    return returns.mean() / returns.std(ddof=1) * np.sqrt(periods)


def plain_splits(panel, ground):
    """PLAN as anyone would write it: each combination over each group, each split bar by bar."""
    first, strategy = 41, SmaCrossover()
    size, n = (panel.n_bars - first) // 5, panel.n_bars
    edges = [first + size * k for k in range(5)] + [n]
    alone, chosen, told = {}, [], []
    for number, params in enumerate(ground.combinations):
        if params["fast"] < params["slow"]:
            groups = pairwise(edges)
            alone[number] = [plainly(panel, strategy, params, a, b, first - 1) for a, b in groups]
    for pair in PAIRS:
        out = {bar for g in pair for bar in range(edges[g] - 7, edges[g + 1] + 7 + 4)}
        train = [bar - first for bar in range(first, n) if bar not in out]
        inside = {k: np.concatenate(parts)[train] for k, parts in alone.items()}
        ratios = {k: yearly(part, ground.periods) for k, part in inside.items() if part.any()}
        best = max(ratios, key=ratios.get)
        outside = np.concatenate([alone[best][g] for g in pair])
        chosen.append(best)
        told.append(
            {
                "tested": [pair[0] + 1, pair[1] + 1],
                "chosen": best,
                "bars": len(train),
                "score": ratios[best],
                "outside": yearly(outside, ground.periods),
            }
        )
    return alone, chosen, told


class TestSplits:
    def test_the_books_example(self):
        """López de Prado (2018), figures 12.1 and 12.2: 6 groups, 2 tested, 15 splits, 5 paths."""
        plan = SplitPlan(6, 2)
        assert (plan.splits, plan.paths) == (15, 5)
        tests = splits.tests_of(plan) + 1
        assert tests[0].tolist() == [1, 2]
        assert tests[-1].tolist() == [5, 6]
        telling = splits.paths_of(plan) + 1
        assert telling[0].tolist() == [1, 1, 2, 3, 4, 5]
        assert telling[1].tolist() == [2, 6, 6, 7, 8, 9]
        assert telling[4].tolist() == [5, 9, 12, 14, 15, 15]

    @pytest.mark.parametrize(
        ("n", "groups", "tested", "purge", "embargo"),
        [
            (60, 6, 2, 0, 0),
            (103, 6, 2, 3, 2),
            (100, 7, 3, 2, 0),
            (91, 8, 4, 0, 4),
            (70, 4, 3, 1, 1),
        ],
    )
    def test_indices_are_those_of_skfolio(self, n, groups, tested, purge, embargo):
        peer = CombinatorialPurgedCV(groups, tested, purged_size=purge, embargo_size=embargo)
        plan = SplitPlan(groups, tested, purge, embargo)
        assert (peer.n_splits, peer.n_test_paths) == (plan.splits, plan.paths)
        masks, tests = splits.train_masks(plan, n), splits.tested_masks(plan, n)
        edges = splits.edges_of(n, groups)
        for number, (train, parts) in enumerate(peer.split(np.zeros((n, 1)))):
            assert np.flatnonzero(masks[number]).tolist() == train.tolist()
            assert np.flatnonzero(tests[number]).tolist() == np.concatenate(parts).tolist()
            mine = [np.arange(edges[g], edges[g + 1]) for g in splits.tests_of(plan)[number]]
            assert all(np.array_equal(one, other) for one, other in zip(mine, parts, strict=True))
        assert np.array_equal(peer.recombined_paths.T, splits.paths_of(plan))

    @pytest.mark.parametrize(("groups", "tested"), [(3, 1), (5, 2), (6, 3), (9, 4), (4, 3)])
    def test_each_path_tells_every_group_once_and_each_test_is_used_once(self, groups, tested):
        plan = SplitPlan(groups, tested)
        telling, tests = splits.paths_of(plan), splits.tests_of(plan)
        assert plan.paths == tested * math.comb(groups, tested) // groups
        assert telling.shape == (plan.paths, groups)
        used = {(int(split), group) for row in telling for group, split in enumerate(row)}
        assert used == {(n, int(group)) for n, row in enumerate(tests) for group in row}

    def test_purge_and_embargo_keep_their_distance(self):
        plan, n = SplitPlan(6, 2, purge=3, embargo=5), 97
        masks, tests = splits.train_masks(plan, n), splits.tested_masks(plan, n)
        assert not (masks & tests).any()
        for mask, test in zip(masks, tests, strict=True):
            train, tested = np.flatnonzero(mask), np.flatnonzero(test)
            gaps = tested[None, :] - train[:, None]
            assert gaps[gaps > 0].min(initial=99) > 3
            assert (-gaps[gaps < 0]).min(initial=99) > 3 + 5
            # What is left out lies right beside a test.
            out = np.flatnonzero(~mask & ~test)
            near = np.abs(out[:, None] - tested[None, :]).min(axis=1)
            assert near.max(initial=0) <= 8

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"groups": 2}, "plan.groups"),
            ({"groups": 6, "test_groups": 6}, "plan.test_groups"),
            ({"groups": 20, "test_groups": 10}, "plan.test_groups"),
            ({"purge": -1}, "plan.purge"),
            ({"embargo": 1.5}, "plan.embargo"),
            ({"train": 100}, "plan.train"),
            ({"groups": True}, "plan.groups"),
        ],
    )
    def test_plans_refused(self, given, field):
        with pytest.raises(Invalid) as error:
            splits.read_split_plan(given)
        assert (error.value.code, error.value.details["field"]) == ("validation.plan", field)

    def test_too_short(self):
        for plan, n in ((SplitPlan(6, 2), 29), (SplitPlan(4, 2, purge=20), 60)):
            with pytest.raises(Invalid) as error:
                splits.train_masks(plan, n)
            assert error.value.code == "validation.too_short"


class TestTallies:
    @pytest.mark.parametrize("objective", OBJECTIVES)
    def test_sums_over_stretches_are_the_score_of_the_bars_themselves(self, objective):
        rng = np.random.default_rng(8)
        returns = rng.normal(0.0004, 0.01, (150, 7))
        returns[:, 3] = 0.0  # stayed in cash
        returns[40:90, 5] = 0.0
        returns[:, 6] = np.nan  # refused
        plan, ts = SplitPlan(6, 2, 4, 3), np.arange(150, dtype=np.int64) * DAY
        masks = splits.train_masks(plan, 150)
        found = tallies.scores(returns, masks, ts, objective, 252.0)
        for row, mask in enumerate(masks):
            for column in range(6):
                want = score(returns[mask, column], ts[mask], objective, 252.0)
                got = found[row, column]
                if want is None:
                    assert np.isnan(got)
                else:
                    assert got == pytest.approx(want, rel=1e-9, abs=1e-13)
            assert np.isnan(found[row, 6])

    def test_a_total_loss_is_read_from_the_returns(self):
        returns = np.full((60, 1), 0.01)
        returns[10] = -1.0
        masks = splits.train_masks(SplitPlan(4, 1), 60)
        found = tallies.scores(returns, masks, np.arange(60) * DAY, "total_return", 252.0)
        assert found[1:, 0] == pytest.approx(-1.0)
        assert found[0, 0] == pytest.approx(1.01**45 - 1)


class TestKind:
    def test_equals_a_plain_loop(self):
        """Each split with slices and the ordinary engine: choices, paths, ratios."""
        panel = walked_prices(260)
        ground = ground_of(panel, PLAN, kind="purged", fixed={"short": False})
        found, _ = walk(ground, "purged")
        alone, chosen, told = plain_splits(panel, ground)
        assert found["refused"] == len(ground.combinations) - len(alone)
        assert len(found["splits"]) == len(told)
        for row, want in zip(found["splits"], told, strict=True):
            assert row["tested"] == want["tested"]
            assert row["chosen"]["number"] == want["chosen"]
            assert row["train"]["bars"] == want["bars"]
            assert row["score"] == pytest.approx(want["score"], rel=1e-9)
            assert row["test"]["sharpe"] == pytest.approx(want["outside"], rel=1e-9)
        for number, path in enumerate(found["paths"]):
            splits_of = [[s for s, pair in enumerate(PAIRS) if g in pair] for g in range(5)]
            whole = np.concatenate([alone[chosen[splits_of[g][number]]][g] for g in range(5)])
            assert path["sharpe"] == pytest.approx(yearly(whole, ground.periods), rel=1e-9)
            assert path["total_return"] == pytest.approx(np.prod(1 + whole) - 1, rel=1e-9)
        ratios = [path["sharpe"] for path in found["paths"]]
        assert found["sharpe"] == pytest.approx(np.mean(ratios))
        assert found["path_sharpes"]["sd"] == pytest.approx(np.std(ratios, ddof=1))
        json.dumps(found, allow_nan=False)

    def test_steps_count_each_combination_once_and_their_number_changes_nothing(self):
        space = {"fast": {"low": 3, "high": 16, "step": 1}, "slow": [20, 40]}
        ground = ground_of(walked_prices(200), {"groups": 4}, kind="purged", space=space)
        steps = KINDS["purged"].steps(ground)
        assert sum(step.trials for step in steps) == len(ground.combinations) == 28
        assert [step.number for step in steps] == list(range(1, len(steps) + 1))
        covered = [n for s in steps for n in range(s.window["first"], s.window["stop"])]
        assert covered == list(range(28))
        found, outs = walk(ground, "purged")
        assert found["combinations"] == 28
        assert all(len(out.streams) == steps[n - 1].trials for n, out in outs.items())

    def test_what_comes_after_a_group_does_not_reach_it(self):
        panel = walked_prices(240)
        changed = panel_of(np.concatenate([panel.close[:200, 0], panel.close[200:, 0][::-1] * 3]))
        blocks = []
        for one in (panel, changed):
            _, outs = walk(ground_of(one, {"groups": 5}, kind="purged"), "purged")
            blocks.append(np.column_stack([out.arrays["block"] for out in outs.values()]))
        edges = splits.edges_of(240 - 41, 5)
        untouched = int(edges[edges + 41 <= 200].max())
        assert untouched > 100
        np.testing.assert_array_equal(blocks[0][:untouched], blocks[1][:untouched])
        assert not np.array_equal(blocks[0][untouched:], blocks[1][untouched:], equal_nan=True)

    def test_too_large_a_space_is_refused(self, monkeypatch):
        monkeypatch.setattr("apps.backtests.kernel.validation.combinatorial.MOST_RETURNS", 600)
        ground = ground_of(walked_prices(200), {"groups": 4}, kind="purged")
        with pytest.raises(Invalid) as error:
            KINDS["purged"].steps(ground)
        assert error.value.code == "validation.too_many"


class TestFigures:
    def test_half_of_the_groups_without_purge_is_cscv(self):
        """The share of logits at or below 0 is then the probability of backtest overfitting."""
        returns = np.random.default_rng(2).normal(0, 0.01, (240, 9)) + np.linspace(0, 2e-3, 9)
        plan = SplitPlan(8, 4)
        rows, _ = split_rows(bare(returns), plan, returns, np.arange(240, dtype=np.int64) * DAY)
        want = overfitting(block_sums(returns, 8))
        logits = np.array([row["logit"] for row in rows])
        assert np.sort(logits) == pytest.approx(np.sort(want.logits), abs=1e-12)
        assert np.mean(logits <= 0) == want.pbo

    def test_paths_of_noise_are_unbiased_while_the_best_of_all_is_not(self):
        rng, paths, best = np.random.default_rng(5), [], []
        plan, ts = SplitPlan(6, 2, purge=1), np.arange(180, dtype=np.int64) * DAY
        for _ in range(120):
            returns = rng.normal(0, 0.01, (180, 12))
            _, chosen = split_rows(bare(returns), plan, returns, ts)
            walked = path_returns(plan, returns, chosen)
            paths.append(np.mean(walked.mean(axis=1) / walked.std(axis=1)) * np.sqrt(252))
            best.append(np.max(returns.mean(axis=0) / returns.std(axis=0)) * np.sqrt(252))
        error = np.std(paths, ddof=1) / np.sqrt(len(paths))
        assert abs(np.mean(paths)) < 3 * error
        assert np.mean(best) > 10 * error

    def test_distribution_by_hand(self):
        found = distribution([1.0, -0.5, None, 2.0], benchmark=1.0)
        assert found["mean"] == pytest.approx(0.625)
        assert found["sd"] == pytest.approx(np.std([1, -0.5, 0, 2], ddof=1))
        assert found["below_zero"] == 0.5
        assert found["below_benchmark"] == 0.75
        assert distribution([0.3], 0.0)["sd"] is None

    def test_luck_of_one_trial_is_none(self):
        returns = np.random.default_rng(1).normal(0, 0.01, (100, 1))
        assert trials_of(returns, 252.0) == {"effective_n": 1.0, "benchmark_sharpe": 0.0}
        many = np.random.default_rng(1).normal(0, 0.01, (100, 30))
        assert trials_of(many, 252.0)["benchmark_sharpe"] > 1.0
        assert trials_of(np.full((50, 2), np.nan), 252.0)["effective_n"] == 0.0
