"""Crises, drawdowns, months and factors of a run: by hand, and beside statsmodels."""

import numpy as np
import pytest

from apps.backtests.kernel import regressions, windows
from apps.core.errors import Invalid
from apps.risk.kernel.factors import FF5_MOM

DAY = 86_400_000_000


def days_of(first, last):
    span = np.arange(np.datetime64(first), np.datetime64(last) + 1)
    span = span[np.is_busday(span)]
    return span.astype("datetime64[us]").astype(np.int64)


def test_a_crisis_is_counted_from_the_close_before_it():
    ts = days_of("2020-01-02", "2020-06-30")
    equity = np.full(len(ts), 200.0)
    fall = (ts >= windows._micros("2020-02-20")) & (ts <= windows._micros("2020-03-23"))
    equity[fall] = np.linspace(190.0, 120.0, int(fall.sum()))
    equity[np.flatnonzero(fall)[-1] + 1 :] = 150.0
    benchmark = np.full(len(ts), np.nan)
    rows = windows.crisis_rows(ts, equity, benchmark, 200.0)
    assert [row["name"] for row in rows] == ["2020-03"]  # the others lie outside the run's dates
    assert rows[0]["return"] == pytest.approx(-0.4)
    assert rows[0]["drawdown"] == pytest.approx(0.4)
    assert rows[0]["bars"] == int(fall.sum())
    assert rows[0]["benchmark_return"] is None
    # A run that ends inside the crisis does not have it.
    assert windows.crisis_rows(ts[:40], equity[:40], benchmark[:40], 200.0) == []


def test_worst_drawdowns_do_not_overlap_and_one_may_still_be_open():
    equity = np.array([100.0, 110, 99, 105, 120, 60, 130, 117, 124])
    found = windows.worst_drawdowns(equity, 100.0)
    assert [(one.peak, one.trough, one.recovered) for one in found] == [
        (4, 5, 6),
        (1, 2, 4),
        (6, 7, None),
    ]
    assert [one.depth for one in found] == pytest.approx([0.5, 0.1, 0.1])
    rows = windows.drawdown_rows(np.arange(9) * DAY, equity, 100.0)
    assert (rows[0]["days"], rows[0]["days_down"], rows[0]["days_back"]) == (2, 1, 1)
    assert rows[2]["recovered"] is None
    assert windows.worst_drawdowns(np.array([90.0, 95.0]), 100.0)[0].peak == -1


def test_turnover_and_holdings_by_hand():
    ts = days_of("2020-01-30", "2020-02-04")  # two days in January, two in February
    traded = windows.by_bar(ts, ts[[0, 0, 2]], np.array([50.0, 50.0, 30.0]))
    assert traded.tolist() == [100.0, 0.0, 30.0, 0.0]
    months, share = windows.turnover_by_month(ts, traded, np.array([100.0, 100, 150, 150]))
    assert months == ["2020-01", "2020-02"]
    assert share == pytest.approx([0.5, 0.1])
    changes = {
        "ts": ts[[0, 0, 2, 3]],
        "symbol": np.array(["A", "B", "A", "B"]),
        "quantity": np.array([1.0, 2.0, 0.0, 5.0]),
        "weight": np.array([0.4, -0.7, 0.0, 0.9]),
    }
    assert windows.holdings_by_bar(ts, changes).tolist() == [2.0, 2.0, 1.0, 1.0]
    largest = windows.largest_holdings(changes)
    assert [(row["symbol"], row["largest"], row["on"]) for row in largest] == [
        ("B", 0.9, "2020-02-04"),
        ("A", 0.4, "2020-01-30"),
    ]


def test_hours_become_days_by_the_last_close():
    ts = np.arange(48, dtype=np.int64) * (DAY // 24)
    equity = np.where(np.arange(48) < 24, 110.0, 121.0)
    days, returns = regressions.daily_returns(ts, equity, 100.0)
    assert days.tolist() == [0, 1]
    assert returns == pytest.approx([0.1, 0.1])


def made_factors(ts, seed=3):
    rng = np.random.default_rng(seed)
    names = (*FF5_MOM, "RF")
    return {name: (ts, rng.normal(0.0, 0.01 if name != "RF" else 1e-5, len(ts))) for name in names}


def test_the_regression_equals_that_of_statsmodels():
    # statsmodels 0.15 (BSD): OLS with cov_type HAC, Bartlett kernel, no small-sample correction.
    import statsmodels.api as sm

    ts = days_of("2015-01-02", "2017-12-29")
    factors = made_factors(ts)
    rng = np.random.default_rng(9)
    noise = rng.normal(0.0, 0.004, len(ts))
    returns = 0.0003 + 0.9 * factors["MKT_RF"][1] - 0.4 * factors["MOM"][1]
    returns = returns + noise + 0.4 * np.roll(noise, 1)
    days = ts // DAY
    # The run begins before the factors and goes on after them.
    run_days = np.concatenate((days[:1] - 5, days, days[-1:] + 5))
    run_returns = np.concatenate(([0.5], returns, [0.5]))
    found = regressions.regress(run_days, run_returns, factors)
    design = sm.add_constant(np.column_stack([factors[name][1] for name in FF5_MOM]))
    lags = int(np.floor(4 * (len(ts) / 100) ** (2 / 9)))
    peer = sm.OLS(returns - factors["RF"][1], design).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
    )
    mine = [found["alpha"], *(found["betas"][name] for name in FF5_MOM)]
    assert [row["value"] for row in mine] == pytest.approx(peer.params, rel=1e-8)
    assert [row["error"] for row in mine] == pytest.approx(peer.bse, rel=1e-8)
    assert [row["t"] for row in mine] == pytest.approx(peer.tvalues, rel=1e-8)
    assert [row["p_value"] for row in mine] == pytest.approx(peer.pvalues, rel=1e-6, abs=1e-12)
    assert found["r_squared"] == pytest.approx(peer.rsquared, rel=1e-9)
    assert found["alpha_annualised"]["value"] == pytest.approx(252 * peer.params[0])
    assert (found["rows"], found["days"], found["lags"]) == (len(ts), len(ts) + 2, lags)
    assert (found["first"], found["last"]) == ("2015-01-02", "2017-12-29")


def test_where_factors_do_not_speak_they_say_so():
    with pytest.raises(Invalid, match="around the clock"):
        regressions.check_fits(DAY // 24, continuous=True, currency="USD")
    with pytest.raises(Invalid, match="EUR"):
        regressions.check_fits(DAY, continuous=False, currency="EUR")
    with pytest.raises(Invalid, match="longer than a day"):
        regressions.check_fits(7 * DAY, continuous=False, currency="USD")
    regressions.check_fits(DAY // 24, continuous=False, currency="USD")
    ts = days_of("2015-01-02", "2015-03-31")
    factors = made_factors(ts)
    later = ts // DAY + 4000
    with pytest.raises(Invalid, match="2015-01-02 to 2015-03-31"):
        regressions.regress(later, np.zeros(len(ts)), factors)
    del factors["MOM"]
    with pytest.raises(Invalid, match="MOM"):
        regressions.regress(ts // DAY, np.zeros(len(ts)), factors)
