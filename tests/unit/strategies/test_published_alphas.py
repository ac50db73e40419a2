"""The catalogue of published formulas against a plain pandas reading, on real bars."""

from dataclasses import replace

import numpy as np
import pytest

from apps.strategies.kernel.expressions import Evaluator, evaluate, lookback, parse
from apps.strategies.kernel.expressions.catalogue import LEFT_OUT, PUBLISHED
from tests.unit.strategies.panels import sp500
from tests.unit.strategies.plain_alphas import READINGS, Careful

FORMULAS = {entry.number: entry.expression for entry in PUBLISHED}
GROUPS = {"sector": 3, "industry": 4, "subindustry": 5}


@pytest.fixture(scope="module")
def panel():
    bars = sp500(12, "2008-01-01", "2009-10-01")
    belongs = np.arange(bars.n_assets)
    codes = {name: belongs % count * 1.0 for name, count in GROUPS.items()}
    return replace(bars, extras={n: np.tile(c, (bars.n_bars, 1)) for n, c in codes.items()})


@pytest.fixture(scope="module")
def plain(panel):
    return Careful(panel, {name: panel.extras[name][0] for name in GROUPS})


def test_all_of_the_paper_is_there_or_left_out_for_a_reason():
    assert sorted([*FORMULAS, *LEFT_OUT]) == list(range(1, 102))


@pytest.mark.parametrize("number", READINGS)
def test_a_published_formula_agrees_with_pandas(number, panel, plain):
    found = evaluate(parse(FORMULAS[number]), panel)
    with np.errstate(all="ignore"):
        expected = np.array(READINGS[number](plain), dtype=float)
    expected[~np.isfinite(expected)] = np.nan
    # Three ranks of a slow average are mostly constant, and without 12 correlations in a row
    # nothing is left of this one.
    assert np.isfinite(found).any() or number == 96
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_values_are_the_same_bytes_for_any_threads_order_and_memory(panel):
    nodes = [parse(text) for text in FORMULAS.values()]
    apart = [evaluate(node, panel) for node in nodes]
    together = list(Evaluator(panel, threads=3).values(nodes))
    tight = Evaluator(panel, memory=2 * panel.close.nbytes, threads=1)
    for node, one, other in zip(nodes, apart, together, strict=True):
        assert one.tobytes() == other.tobytes()
        assert one.tobytes() == tight.value(node).tobytes()
    assert tight.held <= tight.memory


def test_what_many_formulas_share_is_let_go_at_its_last_use(panel):
    evaluator = Evaluator(panel)
    nodes = [parse(text) for text in FORMULAS.values()]
    for _ in evaluator.values(nodes):
        pass
    assert evaluator.held == 0
    assert not evaluator.known


@pytest.mark.parametrize("number", FORMULAS)
def test_a_value_needs_its_lookback_and_nothing_of_the_future(number, panel):
    node = parse(FORMULAS[number])
    last, back = 430, lookback(node)
    whole = evaluate(node, panel)[last]
    window = evaluate(node, panel.rows(last - back, last + 1))[-1]
    assert whole.tobytes() == window.tobytes()
    later = {
        name: np.concatenate([getattr(panel, name)[: last + 1], getattr(panel, name)[:last:-1]])
        for name in ("open", "high", "low", "close", "volume")
    }
    assert evaluate(node, replace(panel, **later))[last].tobytes() == whole.tobytes()
