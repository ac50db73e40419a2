"""The table of indicators: what each is called, takes, gives and comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel.columns import Bars
from apps.strategies.kernel.indicators import own
from apps.strategies.kernel.indicators.own import ta
from apps.strategies.kernel.interface import Parameter, Params
from apps.strategies.kernel.windows import shift

Floats = NDArray[np.float64]
Named = dict[str, Floats]
LONGEST = 5000


@dataclass(frozen=True, slots=True)
class Indicator:
    """An indicator of one instrument; ``pair`` ones are told the closes of another as well."""

    name: str
    title: str
    source: str
    parameters: tuple[Parameter, ...]
    measure: Callable[[Bars, Params], Named]
    pair: bool = False


def _bars(name: str, default: int, about: str, low: int = 2) -> Parameter:
    return Parameter(name, "int", default, low, LONGEST, "bars", about)


def _times(name: str, default: float, about: str) -> Parameter:
    return Parameter(name, "float", default, 0.01, 100.0, "", about)


def _period(default: int, low: int = 2) -> Parameter:
    return _bars("period", default, "How many bars it looks at", low)


def _aroon(bars: Bars, period: int) -> Named:
    down, up = ta("AROON", bars.high, bars.low, timeperiod=period)
    return {"aroon_up": up, "aroon_down": down, "oscillator": up - down}


def _adx(bars: Bars, period: int) -> Named:
    prices = (bars.high, bars.low, bars.close)
    names = {"pdi": "PLUS_DI", "mdi": "MINUS_DI", "dx": "DX", "adxr": "ADXR"}
    found = {name: ta(function, *prices, timeperiod=period) for name, function in names.items()}
    return {"adx": own.adx(*prices, period), **found}


def _atr(bars: Bars, period: int) -> Named:
    found = own.atr(bars.high, bars.low, bars.close, period)
    spread = ta("TRANGE", bars.high, bars.low, bars.close)
    return {"atr": found, "tr": spread, "atrp": 100.0 * found / bars.close}


def _obv(bars: Bars) -> Named:
    return {"obv": ta("OBV", bars.close, bars.volume) - bars.volume[:1].sum()}


def _roc(bars: Bars, period: int) -> Named:
    change = bars.close - shift(bars.close, period)
    return {"roc": 100.0 * change / shift(bars.close, period), "momentum": change}


def _beta(bars: Bars, period: int) -> Named:
    return {"beta": ta("BETA", bars.figure("against"), bars.close, timeperiod=period)}


def _corr(bars: Bars, period: int) -> Named:
    other = bars.figure("against")
    found = ta("CORREL", bars.close, other, timeperiod=period)
    mine, theirs = (ta("VAR", values, timeperiod=period) for values in (bars.close, other))
    with np.errstate(invalid="ignore"):
        together = found * np.sqrt(mine * theirs)
    return {
        "correlation": found,
        "r_squared": found**2,
        "covariance": together,
        "variance_a": mine,
        "variance_b": theirs,
    }


def _row(
    name: str,
    title: str,
    source: str,
    measure: Callable[[Bars, Params], Named],
    *parameters: Parameter,
    pair: bool = False,
) -> tuple[str, Indicator]:
    return name, Indicator(name, title, source, parameters, measure, pair)


WILDER = "Wilder (1978), New Concepts in Technical Trading Systems"
INDICATORS: dict[str, Indicator] = dict(
    (
        _row(
            "sma",
            "Simple moving average",
            "TA-Lib SMA",
            lambda b, p: {"sma": ta("SMA", b.close, timeperiod=p["period"])},
            _period(20),
        ),
        _row(
            "ema",
            "Exponential moving average",
            "TA-Lib EMA, begun with a simple average",
            lambda b, p: {"ema": ta("EMA", b.close, timeperiod=p["period"])},
            _period(20),
        ),
        _row(
            "wma",
            "Weighted moving average",
            "TA-Lib WMA",
            lambda b, p: {"wma": ta("WMA", b.close, timeperiod=p["period"])},
            _period(14),
        ),
        _row(
            "hma",
            "Hull moving average",
            "Hull (2005)",
            lambda b, p: {"hma": own.hull(b.close, p["period"])},
            _period(14, 4),
        ),
        _row(
            "rsi",
            "Relative strength index",
            f"TA-Lib RSI; {WILDER}",
            lambda b, p: {"rsi": ta("RSI", b.close, timeperiod=p["period"])},
            _period(14),
        ),
        _row("atr", "Average true range", WILDER, lambda b, p: _atr(b, p["period"]), _period(14)),
        _row(
            "adx",
            "Average directional index",
            f"TA-Lib ADX; {WILDER}",
            lambda b, p: _adx(b, p["period"]),
            _period(14),
        ),
        _row(
            "bb",
            "Bollinger bands",
            "Bollinger (2001); equal to TA-Lib BBANDS",
            lambda b, p: own.bollinger(b.close, p["period"], p["deviations"]),
            _period(20),
            _times("deviations", 2.0, "How many deviations from the middle"),
        ),
        _row(
            "stdev",
            "Standard deviation of the close",
            "TA-Lib STDDEV, of the population",
            lambda b, p: own.stdev(b.close, p["period"]),
            _period(14),
        ),
        _row(
            "macd",
            "Moving average convergence divergence",
            "Appel (1979)",
            lambda b, p: own.macd(b.close, p["fast"], p["slow"], p["signal"]),
            _bars("fast", 12, "Length of the fast average"),
            _bars("slow", 26, "Length of the slow average"),
            _bars("signal", 9, "Length of the signal line"),
        ),
        _row(
            "beta",
            "Beta of returns",
            "TA-Lib BETA",
            lambda b, p: _beta(b, p["period"]),
            _period(50),
            pair=True,
        ),
        _row(
            "corr",
            "Correlation of closes",
            "TA-Lib CORREL",
            lambda b, p: _corr(b, p["period"]),
            _period(20),
            pair=True,
        ),
        _row(
            "ulcer",
            "Ulcer index",
            "Martin and McCann (1989)",
            lambda b, p: {"ulcer_index": own.ulcer(b.close, p["period"])},
            _period(14),
        ),
        _row(
            "stoch",
            "Stochastic oscillator",
            "TA-Lib STOCHF and SMA; Lane (1984)",
            lambda b, p: own.stochastic(
                b.high, b.low, b.close, p["period"], p["signal"], p["smooth"]
            ),
            _period(14, 1),
            _bars("signal", 3, "Length of %D", 1),
            _bars("smooth", 3, "Length of the smoothing of %K", 1),
        ),
        _row("obv", "On-balance volume", "TA-Lib OBV; Granville (1963)", lambda b, _p: _obv(b)),
        _row(
            "vwap",
            "Volume-weighted average price",
            "Berkowitz, Logue and Noser (1988)",
            lambda b, _p: {"vwap": own.vwap(b.high, b.low, b.close, b.volume)},
        ),
        _row(
            "roc",
            "Rate of change in percent",
            "TA-Lib ROC",
            lambda b, p: _roc(b, p["period"]),
            _period(14, 1),
        ),
        _row(
            "cci",
            "Commodity channel index",
            "TA-Lib CCI; Lambert (1980)",
            lambda b, p: {"cci": ta("CCI", b.high, b.low, b.close, timeperiod=p["period"])},
            _period(20),
        ),
        _row(
            "mfi",
            "Money flow index",
            "TA-Lib MFI; Quong and Soudack (1989)",
            lambda b, p: {
                "mfi": ta("MFI", b.high, b.low, b.close, b.volume, timeperiod=p["period"])
            },
            _period(14),
        ),
        _row(
            "donchian",
            "Donchian channel of the bars before",
            "Donchian (1960)",
            lambda b, p: own.donchian(b.high, b.low, p["period"]),
            _period(20, 1),
        ),
        _row(
            "keltner",
            "Keltner channel",
            "Keltner (1960), in Raschke's form",
            lambda b, p: own.keltner(
                b.high, b.low, b.close, p["period"], p["multiplier"], p["atr_period"]
            ),
            _period(20),
            _times("multiplier", 2.0, "How many true ranges from the middle"),
            _bars("atr_period", 10, "Length of the true range"),
        ),
        _row(
            "supertrend",
            "Supertrend",
            "Seban (2008)",
            lambda b, p: own.supertrend(b.high, b.low, b.close, p["period"], p["multiplier"]),
            _period(10),
            _times("multiplier", 3.0, "How many true ranges from the middle"),
        ),
        _row(
            "psar",
            "Parabolic stop and reverse",
            f"TA-Lib SAR; {WILDER}",
            lambda b, p: {
                "sar": ta("SAR", b.high, b.low, acceleration=p["step"], maximum=p["maximum"])
            },
            Parameter("step", "float", 0.02, 0.0001, 1.0, "", "By how much it quickens"),
            Parameter("maximum", "float", 0.2, 0.0001, 1.0, "", "How quick it gets"),
        ),
        _row(
            "willr",
            "Williams %R",
            "TA-Lib WILLR; Williams (1979)",
            lambda b, p: {
                "williams_r": ta("WILLR", b.high, b.low, b.close, timeperiod=p["period"])
            },
            _period(14),
        ),
        _row(
            "aroon",
            "Aroon",
            "TA-Lib AROON; Chande (1995)",
            lambda b, p: _aroon(b, p["period"]),
            _period(25),
        ),
        _row(
            "chop",
            "Choppiness index",
            "Dreiss (1993)",
            lambda b, p: {"chop": own.choppiness(b.high, b.low, b.close, p["period"])},
            _period(14),
        ),
        _row(
            "slope",
            "Regression of the close on time",
            "TA-Lib LINEARREG_SLOPE",
            lambda b, p: own.regression(b.close, p["period"]),
            _period(14),
        ),
        _row(
            "squeeze",
            "Bollinger bands within the Keltner channel",
            "Carter (2005), Mastering the Trade",
            lambda b, p: {
                "squeeze": own.squeeze(
                    b.high, b.low, b.close, p["period"], p["deviations"], p["multiplier"]
                )
            },
            _period(20),
            _times("deviations", 2.0, "Width of the Bollinger bands"),
            _times("multiplier", 1.5, "Width of the Keltner channel"),
        ),
        _row(
            "pivots",
            "Pivots at the bars that confirm them",
            "A high above the bars on both sides, as in Wilder's swing points",
            lambda b, p: own.pivot_prices(b.high, b.low, p["left"], p["right"]),
            _bars("left", 5, "Bars before that are lower", 1),
            _bars("right", 5, "Bars after that are lower", 1),
        ),
        _row(
            "rolling_rank",
            "Rank of the close within its window",
            "A share of the window, as ts_rank of Kakushadze (2016)",
            lambda b, p: {"rolling_rank": own.rolling_rank(b.close, p["period"])},
            _period(60),
        ),
    )
)
ALIASES = {
    "atr_percent": "atr",
    "bbands": "bb",
    "bollinger": "bb",
    "bollinger_bands": "bb",
    "correl": "corr",
    "correlation": "corr",
    "hull": "hma",
    "linear_regression": "slope",
    "parabolic_sar": "psar",
    "sar": "psar",
    "std": "stdev",
    "stddev": "stdev",
    "stochastic": "stoch",
    "ulcer_index": "ulcer",
    "williams_r": "willr",
}
SPELLINGS = ("length", "lookback", "timeperiod", "window")
