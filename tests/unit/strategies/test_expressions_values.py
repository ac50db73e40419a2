"""Expressions against a plain pandas reading of the paper, on real bars.

The formulas are those of Kakushadze (2016), "101 Formulaic Alphas", Wilmott 84, appendix A; the
pandas twins below follow its table of functions word by word. ``vwap`` is not in the bars, so
formulas that need it are left out.
"""

import numpy as np
import pandas as pd
import pytest

from apps.strategies.kernel.expressions import Evaluator, evaluate, lookback, parse
from tests.unit.strategies.panels import crypto, sp500


class Plain:
    """The paper's functions, one pandas call each."""

    def __init__(self, panel):
        for name in ("open", "high", "low", "close", "volume"):
            setattr(self, name, pd.DataFrame(getattr(panel, name)))
        self.returns = self.close / self.close.shift(1) - 1

    def adv(self, d):
        return (self.close * self.volume).rolling(d).mean()


def digits(x):
    """Nine significant digits: what is equal on paper is equal before it is ranked."""
    size = 10.0 ** (9 - np.ceil(np.log10(x.abs().where(x != 0, 1.0))))
    return (x * size).round() / size


def rank(x):
    return digits(x).rank(axis=1, pct=True)


def delta(x, d):
    return x - x.shift(d)


def delay(x, d):
    return x.shift(d)


def ts_rank(x, d):
    return digits(x).rolling(d).apply(lambda w: pd.Series(w).rank(pct=True).iloc[-1], raw=True)


def ts_argmax(x, d):
    return x.rolling(d).apply(np.argmax, raw=True) + 1


def ts_argmin(x, d):
    return x.rolling(d).apply(np.argmin, raw=True) + 1


def pairs(x, y, d, measure):
    out = pd.DataFrame(np.nan, index=x.index, columns=x.columns)
    for column in x:
        for i in range(d - 1, len(x)):
            a, b = x[column].to_numpy()[i - d + 1 : i + 1], y[column].to_numpy()[i - d + 1 : i + 1]
            out.iloc[i, column] = measure(a, b)
    return out


def correlation(x, y, d):
    def measure(a, b):
        if np.isnan(a).any() or np.isnan(b).any() or np.ptp(a) == 0 or np.ptp(b) == 0:
            return np.nan
        return np.corrcoef(a, b)[0, 1]

    return pairs(x, y, d, measure)


def covariance(x, y, d):
    # Rounded, so that what is zero on paper is zero before it is ranked.
    return pairs(x, y, d, lambda a, b: np.round(np.cov(a, b)[0, 1], 12))


def stddev(x, d):
    return x.rolling(d).apply(lambda w: np.std(w, ddof=1), raw=True)


def decay_linear(x, d):
    weights = np.arange(1, d + 1)
    return x.rolling(d).apply(lambda w: (w * weights).sum() / weights.sum(), raw=True)


def ts_max(x, d):
    return x.rolling(d).max()


def ts_min(x, d):
    return x.rolling(d).min()


def ts_sum(x, d):
    return x.rolling(d).sum()


def scale(x):
    return x.div(x.abs().sum(axis=1), axis=0)


def signedpower(x, a):
    return np.sign(x) * x.abs() ** a


ALPHAS = {
    1: (
        "rank(Ts_ArgMax(SignedPower(((returns < 0) ? stddev(returns, 20) : close), 2.), 5)) - 0.5",
        lambda p: (
            rank(
                ts_argmax(
                    signedpower(p.close.where(~(p.returns < 0), stddev(p.returns, 20)), 2), 5
                )
            )
            - 0.5
        ),
    ),
    2: (
        "-1 * correlation(rank(delta(log(volume), 2)), rank(((close - open) / open)), 6)",
        lambda p: (
            -correlation(rank(delta(np.log(p.volume), 2)), rank((p.close - p.open) / p.open), 6)
        ),
    ),
    3: (
        "-1 * correlation(rank(open), rank(volume), 10)",
        lambda p: -correlation(rank(p.open), rank(p.volume), 10),
    ),
    4: ("-1 * Ts_Rank(rank(low), 9)", lambda p: -ts_rank(rank(p.low), 9)),
    6: ("-1 * correlation(open, volume, 10)", lambda p: -correlation(p.open, p.volume, 10)),
    8: (
        (
            "-1 * rank(((sum(open, 5) * sum(returns, 5)) - "
            "delay((sum(open, 5) * sum(returns, 5)), 10)))"
        ),
        lambda p: (
            -rank(
                ts_sum(p.open, 5) * ts_sum(p.returns, 5)
                - delay(ts_sum(p.open, 5) * ts_sum(p.returns, 5), 10)
            )
        ),
    ),
    9: (
        (
            "((0 < ts_min(delta(close, 1), 5)) ? delta(close, 1) : "
            "((ts_max(delta(close, 1), 5) < 0) ? delta(close, 1) : (-1 * delta(close, 1))))"
        ),
        lambda p: (
            delta(p.close, 1)
            .where(
                (ts_min(delta(p.close, 1), 5) > 0) | (ts_max(delta(p.close, 1), 5) < 0),
                -delta(p.close, 1),
            )
            .where(ts_min(delta(p.close, 1), 5).notna())
        ),
    ),
    12: (
        "sign(delta(volume, 1)) * (-1 * delta(close, 1))",
        lambda p: np.sign(delta(p.volume, 1)) * -delta(p.close, 1),
    ),
    13: (
        "-1 * rank(covariance(rank(close), rank(volume), 5))",
        lambda p: -rank(covariance(rank(p.close), rank(p.volume), 5)),
    ),
    14: (
        "(-1 * rank(delta(returns, 3))) * correlation(open, volume, 10)",
        lambda p: -rank(delta(p.returns, 3)) * correlation(p.open, p.volume, 10),
    ),
    17: (
        (
            "((-1 * rank(ts_rank(close, 10))) * rank(delta(delta(close, 1), 1))) * "
            "rank(ts_rank((volume / adv20), 5))"
        ),
        lambda p: (
            -rank(ts_rank(p.close, 10))
            * rank(delta(delta(p.close, 1), 1))
            * rank(ts_rank(p.volume / p.adv(20), 5))
        ),
    ),
    20: (
        (
            "((-1 * rank(open - delay(high, 1))) * rank(open - delay(close, 1))) * "
            "rank(open - delay(low, 1))"
        ),
        lambda p: (
            -rank(p.open - delay(p.high, 1))
            * rank(p.open - delay(p.close, 1))
            * rank(p.open - delay(p.low, 1))
        ),
    ),
    33: ("rank((-1 * ((1 - (open / close))^1)))", lambda p: rank(-(1 - p.open / p.close))),
    34: (
        (
            "rank(((1 - rank((stddev(returns, 2) / stddev(returns, 5)))) + "
            "(1 - rank(delta(close, 1)))))"
        ),
        lambda p: rank(
            1 - rank(stddev(p.returns, 2) / stddev(p.returns, 5)) + (1 - rank(delta(p.close, 1)))
        ),
    ),
    38: (
        "(-1 * rank(Ts_Rank(close, 10))) * rank((close / open))",
        lambda p: -rank(ts_rank(p.close, 10)) * rank(p.close / p.open),
    ),
    40: (
        "(-1 * rank(stddev(high, 10))) * correlation(high, volume, 10)",
        lambda p: -rank(stddev(p.high, 10)) * correlation(p.high, p.volume, 10),
    ),
    53: (
        "-1 * delta((((close - low) - (high - close)) / (close - low)), 9)",
        lambda p: (
            -delta(
                (((p.close - p.low) - (p.high - p.close)) / (p.close - p.low)).replace(
                    [np.inf, -np.inf], np.nan
                ),
                9,
            )
        ),
    ),
    101: (
        "(close - open) / ((high - low) + .001)",
        lambda p: (p.close - p.open) / (p.high - p.low + 0.001),
    ),
}


@pytest.fixture(scope="module", params=["equities", "perpetuals"])
def panel(request):
    return sp500(12, "2008-06-01", "2009-06-01") if request.param == "equities" else crypto(250)


@pytest.fixture(scope="module")
def plain(panel):
    return Plain(panel)


@pytest.mark.parametrize("number", ALPHAS)
def test_formulaic_alphas_agree_with_pandas(number, panel, plain):
    text, twin = ALPHAS[number]
    found, expected = evaluate(parse(text), panel), twin(plain).to_numpy()
    assert np.isfinite(found).any()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "twin"),
    [
        ("decay_linear(close, 7)", lambda p: decay_linear(p.close, 7)),
        ("ts_argmin(volume, 12)", lambda p: ts_argmin(p.volume, 12)),
        ("product(1 + returns, 5)", lambda p: (1 + p.returns).rolling(5).apply(np.prod, raw=True)),
        ("scale(delta(close, 3))", lambda p: scale(delta(p.close, 3))),
        ("zscore(returns)", lambda p: p.returns.sub(p.returns.mean(axis=1), axis=0).div(
            p.returns.std(axis=1), axis=0)),
        ("demean(close)", lambda p: p.close.sub(p.close.mean(axis=1), axis=0)),
        ("ts_mean(close, 30)", lambda p: p.close.rolling(30).mean()),
        ("stddev(close, 30)", lambda p: stddev(p.close, 30)),
        ("max(close, 20) - min(close, 20)", lambda p: ts_max(p.close, 20) - ts_min(p.close, 20)),
        ("max(open, close)", lambda p: np.maximum(p.open, p.close)),
    ],
)  # fmt: skip
def test_each_function_agrees_with_pandas(text, twin, panel, plain):
    np.testing.assert_allclose(
        evaluate(parse(text), panel), twin(plain).to_numpy(), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("number", ALPHAS)
def test_values_never_depend_on_later_bars(number, panel):
    node = parse(ALPHAS[number][0])
    whole = evaluate(node, panel)
    for rows in (60, 111, 200):
        np.testing.assert_array_equal(whole[:rows], evaluate(node, panel.rows(0, rows)))


@pytest.mark.parametrize("number", ALPHAS)
def test_the_inferred_lookback_is_enough_and_needed(number, panel):
    node = parse(ALPHAS[number][0])
    back, last = lookback(node), panel.n_bars - 1
    whole = evaluate(node, panel)[last]
    enough = evaluate(node, panel.rows(last - back, last + 1))[-1]
    np.testing.assert_allclose(enough, whole, rtol=1e-12)
    first_row = int(np.argmax(np.isfinite(evaluate(node, panel)).any(axis=1)))
    # Alpha 1 chooses between a 20-bar window and none, so its first value may come sooner.
    assert first_row == back or (number == 1 and first_row < back)


def test_ties_are_not_left_to_rounding():
    panel = sp500(12, "2008-06-01", "2009-06-01")
    flat = np.full_like(panel.close, 0.1)
    same = type(panel)(panel.symbols, panel.ts, flat, flat, flat, flat, flat, panel.timeframe)
    zero = evaluate(parse("ts_std(close, 7)"), same)
    assert np.nanmax(zero) == np.nanmin(zero) == 0
    assert np.isnan(evaluate(parse("correlation(close, volume, 7)"), same)).all()


def test_undefined_values_are_missing(panel):
    values = evaluate(parse("log(delta(close, 1)) / (close - close)"), panel)
    assert np.isnan(values).all()


def test_missing_inputs_stay_missing_and_leave_others_alone(panel):
    hurt = type(panel)(
        panel.symbols, panel.ts, panel.open, panel.high, panel.low,
        np.where(np.arange(panel.n_assets) == 0, np.nan, panel.close), panel.volume,
        panel.timeframe,
    )  # fmt: skip
    values = evaluate(parse("rank(ts_mean(close, 3))"), hurt)
    assert np.isnan(values[:, 0]).all()
    assert np.nanmax(values[5:], axis=1) == pytest.approx(np.ones(panel.n_bars - 5))


def test_an_evaluator_forgets_what_exceeds_its_memory(panel):
    small = Evaluator(panel, memory=3 * panel.close.nbytes)
    node = parse("rank(delta(close, 3)) + rank(ts_mean(volume, 4)) - ts_rank(open, 5)")
    np.testing.assert_array_equal(small.value(node), evaluate(node, panel))
    assert small.held <= 3 * panel.close.nbytes


def test_compiled_loops_equal_their_plain_selves():
    from apps.strategies.kernel import loops

    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 6, (40, 5)).astype(float), rng.normal(size=(40, 5))
    x[11, 2] = np.nan

    def both(name, *arguments):
        function, outs = getattr(loops, name), []
        for called in (function, function.py_func):
            out = np.full(x.shape, 7.0)
            called(*arguments, out, 3, 38)
            assert (out[:3] == 7).all()
            assert (out[38:] == 7).all()
            outs.append(out)
        return outs

    names = ("rank", "argmax", "argmin", "product", "decay_linear", "std", "min", "max")
    for name in names:
        np.testing.assert_array_equal(*both(f"{name}_2d", x, 6))
    np.testing.assert_array_equal(*both("sum_2d", x, 6, 6.0))
    for name in ("covariance_2d", "correlation_2d", "rank_correlation_2d"):
        np.testing.assert_allclose(*both(name, x, y, 6), rtol=1e-12)
    groups = np.tile([1.0, 2.0, 1.0, np.nan, 2.0], (40, 1))
    np.testing.assert_array_equal(*both("group_mean_2d", x, groups))
    np.testing.assert_array_equal(*both("group_rank_2d", x, groups))
    np.testing.assert_allclose(*both("demean_2d", y), rtol=1e-12)
    np.testing.assert_allclose(*both("zscore_2d", y), rtol=1e-12)
    np.testing.assert_allclose(*both("scale_2d", y, 2.0), rtol=1e-12)
    np.testing.assert_allclose(*both("truncate_2d", y, 0.3), rtol=1e-12)
    order = np.argsort(x, axis=1, kind="stable")
    np.testing.assert_array_equal(
        loops.rank_rows_2d(x, order), loops.rank_rows_2d.py_func(x, order)
    )
