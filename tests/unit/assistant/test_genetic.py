"""The genetic search: reproducible, honest about trials, within its limits."""

import itertools

import numpy as np
import pytest

from apps.assistant.kernel.genetic import Outcome, Score, Search, Settings, likeness, pick
from apps.assistant.kernel.trees import (
    Grower,
    Limits,
    depth_of,
    is_allowed,
    is_scale_free,
    plain,
)
from apps.strategies.kernel.expressions import lookback, nodes_of, parse, remarks, render

FIELDS = ("open", "high", "low", "close", "volume", "returns")
SMALL = Settings(population=20, generations=4, elite=2)


def toy(target="ts_mean(returns, 20)"):
    """A score that counts the operators shared with a target, and what it was asked."""
    wanted = {getattr(part, "operator", part) for part in nodes_of(parse(target))}
    asked = []

    def score(node):
        asked.append(node)
        if "volume" in render(node):
            return None
        found = {getattr(part, "operator", part) for part in nodes_of(node)}
        value = len(wanted & found) - 0.1 * len(found - wanted)
        series = np.random.default_rng(len(asked)).normal(size=50)
        return Score(value, series, {"sharpe": value})

    return score, asked


def test_the_same_seed_finds_the_same():
    runs = []
    for _ in range(2):
        score, _asked = toy()
        outcome = Search(score, np.random.default_rng(7), SMALL, FIELDS).run()
        runs.append([render(node) for node in outcome.scores])
    assert runs[0] == runs[1]


def test_every_distinct_expression_is_scored_once_and_counted():
    score, asked = toy()
    outcome = Search(score, np.random.default_rng(7), SMALL, FIELDS).run()
    assert len(asked) == len(set(asked)) == outcome.trials
    assert outcome.failed == sum("volume" in render(node) for node in asked) > 0


def test_selection_finds_more_than_chance():
    best = []
    for generations in (0, 8):
        score, _asked = toy()
        settings = Settings(population=20, generations=generations)
        outcome = Search(score, np.random.default_rng(3), settings, FIELDS).run()
        best.append(np.mean(sorted(s.fitness for s in outcome.scores.values())[-5:]))
    assert best[1] > best[0]


def test_progress_is_told_for_each_expression_and_may_stop_the_search():
    class Stop(Exception):
        pass

    told = []

    def tell(done, total, note):
        told.append((done, total))
        if done == 7:
            raise Stop

    score, _asked = toy()
    with pytest.raises(Stop):
        Search(score, np.random.default_rng(1), SMALL, FIELDS).run(tell=tell)
    assert told == [(i, 100) for i in range(1, 8)]


def test_seeds_are_tried_even_when_the_search_would_not_draw_them():
    score, asked = toy()
    unusual = parse("close > open ? volume : close")
    outcome = Search(score, np.random.default_rng(1), SMALL, FIELDS).run([unusual])
    assert unusual in asked
    assert outcome.failed >= 1


@pytest.mark.parametrize("seed", range(4))
def test_what_is_drawn_crossed_and_mutated_is_allowed(seed):
    limits = Limits(depth=4, nodes=15, lookback=100)
    grower = Grower(np.random.default_rng(seed), limits, FIELDS)
    trees = [grower.tree() for _ in range(40)]
    trees += [grower.cross(a, b) for a, b in itertools.pairwise(trees)]
    trees += [grower.mutate(tree) for tree in trees]
    for tree in trees:
        assert is_allowed(tree, limits)
        assert depth_of(tree) <= 4
        assert lookback(tree) <= 100
        assert remarks(tree) == []
        assert parse(render(tree)) == tree
    assert len({render(tree) for tree in trees}) > 40


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("returns", True),
        ("close / delay(close, 5)", True),
        ("correlation(close, volume, 10)", True),
        ("ts_rank(volume, 20)", True),
        ("close", False),
        ("delta(close, 5)", False),
        ("ts_mean(rank(close), 5)", False),
        ("rank(close / open) * volume", False),
    ],
)
def test_prices_and_volumes_are_not_compared_between_instruments(text, free):
    assert is_scale_free(parse(text)) is free


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("rank(returns)", "returns"),
        ("scale(zscore(returns))", "returns"),
        ("-rank(-returns)", "returns"),
        ("--returns", "returns"),
        ("-rank(returns)", "-returns"),
        ("rank(returns) * 2", "rank(returns) * 2"),
    ],
)
def test_orders_that_are_equal_are_one_tree(text, same):
    assert plain(parse(text)) == parse(same)


def test_alike_candidates_are_listed_once():
    rng = np.random.default_rng(2)
    base = rng.normal(size=200)
    series = {
        "returns": base,
        "-returns": -base,
        "ts_mean(returns, 2)": base + 0.1 * rng.normal(size=200),
        "ts_mean(returns, 40)": rng.normal(size=200),
        "ts_mean(returns, 60)": rng.normal(size=200),
    }
    fitness = dict(zip(series, (1.0, 0.9, 1.2, 0.5, -0.1), strict=True))
    scores = {parse(t): Score(fitness[t], s, {}) for t, s in series.items()}
    chosen = [render(node) for node in pick(Outcome(scores), 10)]
    assert chosen == ["ts_mean(returns, 2)", "ts_mean(returns, 40)", "ts_mean(returns, 60)"]
    assert len(pick(Outcome(scores), 1)) == 1


def test_likeness_is_correlation():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 300))
    assert likeness(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert likeness(a, np.zeros(300)) == 1.0
