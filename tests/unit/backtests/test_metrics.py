"""Every figure against peers on the same returns, and where conventions differ, both sides."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from apps.backtests.kernel import metrics as kernel
from apps.core.errors import Invalid

DATA = Path(__file__).parents[2] / "data"
EMPYRICAL = json.loads((DATA / "metrics" / "empyrical.json").read_text())
FFN = json.loads((DATA / "metrics" / "ffn.json").read_text())
PERIODS = {"daily": 252, "weekly": 52, "monthly": 12}


@pytest.fixture(scope="module")
def market():
    """Daily returns of two real names, 2015 to 2021."""
    path = Path(__file__).parents[3] / "data" / "sample" / "long_history_daily.parquet"
    bars = pd.read_parquet(path)
    wide = bars.pivot_table(index="ts", columns="symbol", values="close").tz_localize(None)
    return wide.loc["2015":"2020", ["AAPL", "SPY"]].dropna().pct_change().dropna()


@pytest.fixture(scope="module")
def ours(market):
    ts = market.index.as_unit("us").asi8
    return kernel.metrics(
        market["AAPL"].to_numpy(), periods=252, benchmark=market["SPY"].to_numpy(), ts=ts
    )


@pytest.fixture(scope="module")
def empyrical():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import empyrical
    return empyrical


@pytest.fixture(scope="module")
def quantstats():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from quantstats import stats
    return stats


def test_empyrical_agrees_on_real_returns(market, ours, empyrical):
    r, b = market["AAPL"], market["SPY"]
    alpha, beta = empyrical.alpha_beta(r, b)
    theirs = {
        "total_return": empyrical.cum_returns_final(r),
        "cagr": empyrical.cagr(r),
        "volatility": empyrical.annual_volatility(r),
        "sharpe": empyrical.sharpe_ratio(r),
        "sortino": empyrical.sortino_ratio(r),
        "calmar": empyrical.calmar_ratio(r),
        "omega": empyrical.omega_ratio(r),
        "max_drawdown": -empyrical.max_drawdown(r),
        "downside_deviation": empyrical.downside_risk(r),
        "tail_ratio": empyrical.tail_ratio(r),
        "beta": beta,
        "information_ratio": empyrical.excess_sharpe(r, b) * 252**0.5,
    }
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-9)
    # empyrical compounds alpha to a year; ours is per period, and times the periods beside it.
    assert (1 + ours["alpha"]) ** 252 - 1 == pytest.approx(alpha, rel=1e-9)
    assert ours["alpha_annualised"] == pytest.approx(ours["alpha"] * 252)


def test_quantstats_agrees_on_real_returns(market, ours, quantstats):
    r, b = market["AAPL"], market["SPY"]
    greeks = quantstats.greeks(r, b)
    theirs = {
        "total_return": quantstats.comp(r),
        "volatility": quantstats.volatility(r),
        "sharpe": quantstats.sharpe(r),
        "sortino": quantstats.sortino(r),
        "omega": quantstats.omega(r),
        "max_drawdown": -quantstats.max_drawdown(r),
        "tail_ratio": quantstats.tail_ratio(r),
        "win_rate": quantstats.win_rate(r),
        "profit_factor": quantstats.profit_factor(r),
        "payoff_ratio": quantstats.payoff_ratio(r),
        "alpha_annualised": greeks["alpha"],
        "beta": greeks["beta"],
        "r_squared": quantstats.r_squared(r, b),
    }
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-9)


def test_where_quantstats_differs_the_convention_explains_it(market, ours, quantstats):
    r, b = market["AAPL"].to_numpy(), market["SPY"]
    n = len(r)
    # It does not annualise the information ratio.
    information = quantstats.information_ratio(market["AAPL"], b)
    assert ours["information_ratio"] == pytest.approx(information * 252**0.5, rel=1e-9)
    # Its skewness and kurtosis are corrected for the sample; ours are of the population.
    skew = ours["skewness"] * (n * (n - 1)) ** 0.5 / (n - 2)
    assert quantstats.skew(market["AAPL"]) == pytest.approx(skew, rel=1e-9)
    kurtosis = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * ours["excess_kurtosis"] + 6)
    assert quantstats.kurtosis(market["AAPL"]) == pytest.approx(kurtosis, rel=1e-9)
    # Its Treynor ratio takes the whole return; ours the yearly mean.
    whole = quantstats.treynor_ratio(market["AAPL"], b)
    assert whole == pytest.approx(ours["total_return"] / ours["beta"], rel=1e-9)
    assert ours["treynor"] == pytest.approx(r.mean() * 252 / ours["beta"], rel=1e-12)


def test_moments_equal_scipy(market, ours):
    from scipy import stats

    r = market["AAPL"].to_numpy()
    assert ours["skewness"] == pytest.approx(stats.skew(r), rel=1e-9)
    assert ours["excess_kurtosis"] == pytest.approx(stats.kurtosis(r), rel=1e-9)
    line = stats.linregress(market["SPY"], market["AAPL"])
    found = (ours["beta"], ours["alpha"], ours["r_squared"])
    assert found == pytest.approx((line.slope, line.intercept, line.rvalue**2), rel=1e-9)


# Cases of empyrical's own suite.


def series(text):
    if text.startswith("-"):
        return -series(text[1:])
    name, _, cut = text.partition("[")
    if name not in EMPYRICAL["series"]:
        return np.full(9, float(name))
    values = EMPYRICAL["series"][name]
    values = values.get("values", values.get("columns"))
    if isinstance(values, dict):
        return [np.array(column, float) for column in values.values()]
    return np.array(values, float)[1:] if cut else np.array(values, float)


def cases(name):
    return [(case["args"], case["expected"]) for case in EMPYRICAL["cases"][name]]


def agree(found, expected, sign=1.0):
    if expected is None or expected == "inf":
        # What a peer calls NaN or infinite is None here, with a reason.
        assert found is None or found == 0.0
    else:
        assert found == pytest.approx(sign * expected, abs=1e-8)


@pytest.mark.parametrize(("args", "expected"), cases("max_drawdown"))
def test_max_drawdown_cases(args, expected):
    found = kernel.metrics(series(args["returns"]), periods=252)["max_drawdown"]
    agree(found, expected, sign=-1.0)


@pytest.mark.parametrize(("args", "expected"), cases("annual_volatility"))
def test_volatility_cases(args, expected):
    returns = series(args["returns"])
    agree(kernel.metrics(returns, periods=PERIODS[args["period"]])["volatility"], expected)


@pytest.mark.parametrize(("args", "expected"), cases("sharpe_ratio"))
def test_sharpe_cases(args, expected):
    returns = series(args["returns"])
    rate = series(args["risk_free"])[: len(returns)]
    agree(kernel.metrics(returns, periods=252, rf=rate)["sharpe"], expected)


@pytest.mark.parametrize(
    ("args", "expected"),
    [c for c in cases("sortino") if c[0]["required_return"] == "0.0"],
)
def test_sortino_cases(args, expected):
    found = series(args["returns"])
    frame = isinstance(found, list)
    columns, answers = (found, expected) if frame else ([found], [expected])
    for returns, answer in zip(columns, answers, strict=True):
        agree(kernel.metrics(returns, periods=PERIODS[args["period"]])["sortino"], answer)


@pytest.mark.parametrize(("args", "expected"), cases("alpha_beta"))
def test_alpha_beta_cases(args, expected):
    returns, benchmark = series(args["returns"]), series(args["benchmark"])
    size = min(len(returns), len(benchmark))
    found = kernel.metrics(
        returns[len(returns) - size :], periods=252, benchmark=benchmark[len(benchmark) - size :]
    )
    yearly = None if found["alpha"] is None else (1 + found["alpha"]) ** 252 - 1
    agree(yearly, expected[0])
    agree(found["beta"], expected[1])


# Cases of ffn's own suite.


def closes(rows):
    return pd.DataFrame(list(FFN["first"].values())[:rows])


@pytest.mark.parametrize("symbol", ["AAPL", "MSFT", "C"])
def test_ffn_cases(symbol):
    returns = closes(11)[symbol].pct_change().dropna().to_numpy()
    case = FFN["ffn.total_return.first11"]
    found = kernel.metrics(returns, periods=252)["total_return"]
    assert found == pytest.approx(case["expected"][symbol], abs=case["abs"])
    case = FFN["ffn.max_drawdown.first10"]
    found = kernel.metrics(returns[:-1], periods=252)["max_drawdown"]
    assert -found == pytest.approx(case["expected"][symbol], abs=case["abs"])


@pytest.mark.parametrize("symbol", ["AAPL", "MSFT", "C"])
def test_ffn_counts_years_by_the_calendar_we_by_observations(symbol):
    first, last = (next(iter(FFN[key].items())) for key in ("first", "last"))
    gain = last[1][symbol] / first[1][symbol]
    years = (pd.Timestamp(last[0]) - pd.Timestamp(first[0])).days / 365.25
    case = FFN["ffn.cagr.full"]
    assert gain ** (1 / years) - 1 == pytest.approx(case["expected"][symbol], abs=case["abs"])
    n = FFN["rows"] - 1
    returns = np.full(n, gain ** (1 / n) - 1)
    found = kernel.metrics(returns, periods=252)["cagr"]
    assert found == pytest.approx(gain ** (252 / n) - 1, rel=1e-9)
    assert found == pytest.approx(case["expected"][symbol], abs=0.002)


# By hand.


def test_figures_by_hand():
    found = kernel.metrics(np.array([0.1, -0.5, 0.2, 0.0]), periods=4)
    assert found["total_return"] == pytest.approx(1.1 * 0.5 * 1.2 - 1)
    assert found["cagr"] == pytest.approx(1.1 * 0.5 * 1.2 - 1)
    assert found["max_drawdown"] == pytest.approx(0.5)
    assert found["win_rate"] == pytest.approx(2 / 3)
    assert found["omega"] == pytest.approx(0.3 / 0.5)
    assert found["downside_deviation"] == pytest.approx((0.25 / 4 * 4) ** 0.5)
    assert found["payoff_ratio"] == pytest.approx(0.15 / 0.5)
    assert found["sharpe_geometric"] == pytest.approx(found["cagr"] / found["volatility"])


def test_yearly_rate_compounds_to_the_period():
    returns = np.array([0.01, 0.03, -0.01])
    per_period = np.full(3, 1.05 ** (1 / 12) - 1)
    assert kernel.metrics(returns, periods=12, rf=0.05) == kernel.metrics(
        returns, periods=12, rf=per_period
    )


def test_first_loss_counts_from_the_starting_value():
    assert kernel.metrics(np.array([-0.1, 0.05]), periods=252)["max_drawdown"] == pytest.approx(
        0.1
    )


def test_longest_drawdown_runs_from_peak_to_recovery():
    day = 86_400_000_000
    ts = np.array([0, 1, 4, 5, 6]) * day
    returns = np.array([0.1, -0.1, 0.05, 0.1, -0.01])
    assert kernel.metrics(returns, periods=252, ts=ts)["max_drawdown_days"] == 5
    assert kernel.metrics(returns[:3], periods=252, ts=ts[:3])["max_drawdown_days"] == 4


def test_longest_drawdown_equals_backtesting_py_on_goog():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting import Backtest, Strategy
        from backtesting.test import GOOG

        class Hold(Strategy):
            def init(self):
                pass

            def next(self):
                if not self.position:
                    self.buy()

        found = Backtest(GOOG, Hold, cash=1e6).run()
    equity = found["_equity_curve"]["Equity"]
    returns, ts = equity.pct_change().dropna().to_numpy(), equity.index.as_unit("us").asi8[1:]
    mine = kernel.metrics(returns, periods=252, ts=ts)
    assert mine["max_drawdown_days"] == found["Max. Drawdown Duration"].days
    assert 100 * mine["max_drawdown"] == pytest.approx(-found["Max. Drawdown [%]"])


def test_missing_observations_are_left_out():
    with_gap = kernel.metrics(np.array([0.01, np.nan, -0.02, 0.03]), periods=252)
    without = kernel.metrics(np.array([0.01, -0.02, 0.03]), periods=252)
    assert with_gap == without


def test_nothing_but_numbers_or_none_comes_out():
    for returns in (
        [],
        [0.0],
        [np.nan],
        [0.0, 0.0],
        [0.01],
        [0.01, 0.01],
        [-1.0, 0.5],
        [-1.5, 0.1],
    ):
        found, reasons = kernel.explain(
            np.array(returns), periods=252, benchmark=np.array(returns), ts=np.arange(len(returns))
        )
        assert set(found) == set(kernel.METRICS)
        json.dumps(found, allow_nan=False)
        assert {name for name, value in found.items() if value is None} == set(reasons)


def test_bad_input_is_refused():
    with pytest.raises(Invalid, match="1 infinite"):
        kernel.metrics(np.array([0.1, np.inf]), periods=252)
    with pytest.raises(Invalid, match="positive number of periods"):
        kernel.metrics(np.array([0.1, 0.2]), periods=0)
    with pytest.raises(Invalid, match="benchmark is shaped"):
        kernel.metrics(np.array([0.1, 0.2]), periods=252, benchmark=np.array([0.1]))


@pytest.mark.parametrize(
    ("index", "periods"),
    [
        (pd.bdate_range("2020-01-01", periods=300), 252),
        (pd.date_range("2020-01-01", periods=300, freq="D"), 365),
        (pd.date_range("2020-01-01", periods=100, freq="W"), 52),
        (pd.date_range("2020-01-31", periods=60, freq="ME"), 12),
        (pd.date_range("2020-01-31", periods=20, freq="YE"), 1),
        (pd.date_range("2020-01-01", periods=1000, freq="h"), 8760),
    ],
)
def test_periods_are_inferred_from_the_times(index, periods):
    assert kernel.infer_periods(index.as_unit("us").asi8) == pytest.approx(periods)
