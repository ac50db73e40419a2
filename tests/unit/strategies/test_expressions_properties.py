"""Random formulas: no look-ahead, no more than the lookback, and fused steps equal plain ones."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.expressions import (
    EXTRAS,
    OPERATORS,
    Call,
    Evaluator,
    Field,
    Number,
    evaluate,
    lookback,
    nodes_of,
    parse,
)
from apps.strategies.kernel.expressions.inputs import refuse_missing
from apps.strategies.kernel.expressions.merits import Ahead, population_ic, returns_ahead
from apps.strategies.kernel.expressions.plans import CHAINED
from apps.strategies.kernel.expressions.running import run_whole

BARS, ASSETS = 90, 7
GROUPS = ("sector", "industry")
FIELDS = ("open", "high", "low", "close", "volume", "returns", "vwap", "funding", "open_interest")


@cache
def panel():
    """Return bars with holes, ties and an instrument that comes late."""
    rng = np.random.default_rng(17)
    close = np.round(20 * np.exp(np.cumsum(rng.normal(0, 0.03, (BARS, ASSETS)), axis=0)), 1)
    close[rng.random(close.shape) < 0.02] = np.nan
    close[:30, 2] = np.nan
    spread = np.round(rng.random((2, *close.shape)), 1)
    volume = rng.integers(0, 50, close.shape) * 100.0 + (close - close)
    groups = np.tile([1.0, 1.0, 2.0, 2.0, np.nan, 3.0, 2.0], (BARS, 1))
    extras = {
        "funding": np.round(rng.normal(0, 1e-4, close.shape), 5),
        "open_interest": np.where(rng.random(close.shape) < 0.1, np.nan, volume * 3),
        "sector": groups,
        "industry": groups[:, ::-1].copy(),
    }
    return Panel(
        tuple("ABCDEFG"), np.arange(BARS), close - spread[0] / 2, close + spread[0],
        close - spread[1], close, volume, "1d", extras=extras,
    )  # fmt: skip


def trees():
    fields = st.sampled_from([Field(name) for name in FIELDS])
    numbers = st.sampled_from([-3.0, -1.0, 0.0, 0.7, 3.0]).map(Number)

    def grow(inner):
        calls = []
        for operator in OPERATORS.values():
            chained = operator.name in CHAINED and operator.window is None
            parts = []
            for place, kind in enumerate(operator.kinds):
                value = st.one_of(inner, numbers) if chained and place else inner
                window = st.integers(1, 9).map(lambda number: Number(float(number)))
                group = st.sampled_from([Field(name) for name in GROUPS])
                share = st.sampled_from([0.1, 0.5, 2.0]).map(Number)
                parts.append({"x": value, "d": window, "n": share, "g": group}[kind])
            made = st.tuples(*parts)
            calls.append(made.map(lambda args, name=operator.name: Call(name, args)))
        return st.one_of(*calls)

    return st.recursive(fields, grow, max_leaves=10)


many = settings(max_examples=250, deadline=None, derandomize=True)


@many
@given(trees(), st.integers(1, BARS - 1))
def test_values_of_cut_bars_are_the_head_of_those_of_all(tree, cut):
    whole = evaluate(tree, panel())
    np.testing.assert_array_equal(whole[:cut], evaluate(tree, panel().rows(0, cut)))


@many
@given(trees())
def test_later_bars_change_nothing_before_them(tree):
    cut = BARS // 2
    late = np.arange(BARS)[:, None] >= cut
    changed = {
        name: np.where(late, 7.0 * getattr(panel(), name) + 1.0, getattr(panel(), name))
        for name in ("open", "high", "low", "close", "volume")
    }
    extras = {
        name: np.where(late, 3.0 - values, values) for name, values in panel().extras.items()
    }
    other = replace(panel(), **changed, extras=extras)
    np.testing.assert_array_equal(evaluate(tree, panel())[:cut], evaluate(tree, other)[:cut])


@many
@given(trees())
def test_no_more_bars_are_read_than_the_lookback_says(tree):
    back = lookback(tree)
    if back < BARS:
        seen = panel().rows(BARS - 1 - back, BARS)
        np.testing.assert_array_equal(evaluate(tree, panel())[-1], evaluate(tree, seen)[-1])


@many
@given(trees())
def test_fused_steps_equal_the_tree_walked_part_by_part(tree):
    fused = Evaluator(panel(), threads=3).value(tree)
    np.testing.assert_array_equal(fused, walked(tree))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(trees(), min_size=2, max_size=8))
def test_formulas_asked_for_together_equal_each_alone(many_trees):
    together = Evaluator(panel(), threads=2).values(many_trees)
    for tree, found in zip(many_trees, list(together), strict=True):
        np.testing.assert_array_equal(found, evaluate(tree, panel()))


def walked(node):
    """Evaluate a tree one part after the other: single values by numpy and plain Python."""
    shape = panel().close.shape
    if isinstance(node, Number):
        return np.full(shape, node.value)
    if isinstance(node, Field):
        return field(node.name)
    args = [walked(part) for part in node.args]
    with np.errstate(all="ignore"):
        if node.operator in PLAIN:
            value = np.array(PLAIN[node.operator](*args), dtype=float)
            return np.where(np.isfinite(value), value, np.nan)
        if node.operator in {"delay", "delta"}:
            before = shifted(args[0], int(node.args[1].value))
            return before if node.operator == "delay" else args[0] - before
        if node.operator == "indneutralize":
            return args[0] - run_whole("group_mean", args, (), 1)
        literals = tuple(part.value for part in node.args if isinstance(part, Number))
        arrays = [np.ascontiguousarray(part) for part in args[: len(args) - len(literals)]]
        return run_whole(node.operator, arrays, literals, 1)


def field(name):
    if name == "returns":
        return finite(panel().close / shifted(panel().close, 1)) - 1.0
    if name == "vwap":
        return (panel().high + panel().low + panel().close) / 3.0
    return panel().extras[name] if name in panel().extras else getattr(panel(), name)


def finite(values):
    return np.where(np.isfinite(values), values, np.nan)


def shifted(values, bars):
    out = np.full(values.shape, np.nan)
    out[bars:] = values[: len(values) - bars]
    return out


def missing(*arrays):
    return sum(array - array for array in arrays)


def truth(test):
    return lambda a, b: np.where(test(a, b), 1.0, 0.0) + missing(a, b)


def powered(a, b):
    with np.errstate(all="ignore"):
        return np.vectorize(power, otypes=[float])(a, b)


def power(a, b):
    try:
        value = math.pow(a, b)
    except (ValueError, OverflowError):
        return math.nan
    return value


def logarithm(a):
    return np.vectorize(lambda v: math.log(v) if v > 0 else math.nan, otypes=[float])(a)


PLAIN = {
    "neg": lambda a: -a,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "less": truth(np.less),
    "greater": truth(np.greater),
    "less_equal": truth(np.less_equal),
    "greater_equal": truth(np.greater_equal),
    "equal": truth(np.equal),
    "unequal": truth(np.not_equal),
    "and": truth(lambda a, b: (a != 0) & (b != 0)),
    "or": truth(lambda a, b: (a != 0) | (b != 0)),
    "where": lambda a, b, c: np.where(a != 0, b, c) + missing(a),
    "abs": np.abs,
    "log": logarithm,
    "sign": np.sign,
    "power": powered,
    "signedpower": lambda a, b: np.sign(a) * powered(np.abs(a), b) + missing(a),
    "min": np.minimum,
    "max": np.maximum,
    "bare": lambda a: a,
}


# Every word of the grammar, with a formula that reads it and one that is refused at a column.
WORDS = {
    "price fields": ("open + high - low - close", "open + volume", "mixed_units", 6),
    "returns": ("rank(returns)", "returns - close", "mixed_units", 9),
    "volume": ("ts_mean(volume, 5)", "volume < close", "mixed_units", 8),
    "funding": ("-ts_sum(funding, 3)", "funding + close", "mixed_units", 9),
    "open interest": ("delta(open_interest, 5)", "close > open_interest", "mixed_units", 7),
    "element-wise": ("log(abs(close)) > 1 ? sign(returns) : 0", "log(close, 2)", "arity", 1),
    "time-series": ("ts_rank(close, 9)", "ts_rank(close, -9)", "look_ahead", 16),
    "cross-sectional": ("zscore(returns) + demean(returns)", "rank()", "syntax", 6),
    "group": ("group_rank(returns, sector)", "group_rank(returns, close)", "type", 21),
    "decay": ("decay_linear(returns, 8)", "decay_linear(returns, 0)", "window", 23),
    "rank": ("rank(volume)", "rank(volume + close)", "mixed_units", 13),
    "neutralise": ("neutralize(returns, industry)", "neutralize(returns)", "arity", 1),
    "truncate": ("truncate(rank(returns), 0.1)", "truncate(returns, close)", "type", 19),
}


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_grammar_has_values_and_a_refusal_that_points(word):
    text, bad, code, column = WORDS[word]
    node = parse(text, EXTRAS)
    assert np.isfinite(evaluate(node, panel())).any()
    with pytest.raises(Invalid) as refusal:
        parse(bad, EXTRAS)
    assert refusal.value.code == f"expression.{code}"
    assert refusal.value.details["column"] == column


@pytest.mark.parametrize(("text", "column"), [("rank(funding)", 6), ("-open_interest", 2)])
def test_a_field_a_panel_knows_nothing_of_is_pointed_at(text, column):
    nothing = {name: np.full((BARS, ASSETS), np.nan) for name in ("funding", "open_interest")}
    for extras in ({}, nothing):
        with pytest.raises(Invalid) as refusal:
            refuse_missing(parse(text, EXTRAS), replace(panel(), extras=extras))
        assert refusal.value.code == "expression.no_field"
        assert refusal.value.details["column"] == column
    refuse_missing(parse(text, EXTRAS), panel())


def test_the_random_formulas_use_every_operator():
    found = set()

    @settings(max_examples=400, deadline=None, derandomize=True, database=None)
    @given(trees())
    def draw(tree):
        found.update(part.operator for part in nodes_of(tree) if isinstance(part, Call))

    draw()
    assert found == set(OPERATORS)


def test_rank_correlations_with_returns_ahead_agree_with_scipy():
    values = np.round(panel().extras["funding"] * 1e5) + (panel().close - panel().close)
    ahead = returns_ahead(panel(), 2)
    opens = panel().open
    np.testing.assert_array_equal(ahead[5], opens[8] / opens[6] - 1.0)
    assert np.isnan(ahead[-3:]).all()
    found = Ahead(ahead).rank_ic(values)
    for row, value in enumerate(found):
        both = np.isfinite(values[row]) & np.isfinite(ahead[row])
        if both.sum() < 3 or np.ptp(values[row][both]) == 0 or np.ptp(ahead[row][both]) == 0:
            assert np.isnan(value)
        else:
            expected = spearmanr(values[row][both], ahead[row][both]).statistic
            assert value == pytest.approx(expected, abs=1e-12)
    formulas = [parse("-funding", EXTRAS), parse("returns / ts_std(returns, 5)")]
    for found, node in zip(
        population_ic(formulas, panel(), Ahead(ahead, 2), 2**20), formulas, strict=True
    ):
        np.testing.assert_array_equal(found, Ahead(ahead).rank_ic(evaluate(node, panel())))
