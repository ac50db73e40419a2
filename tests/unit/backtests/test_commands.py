"""The commands that need nothing running: what they print, and how they end."""

import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command


def call(name, *arguments):
    out, err = StringIO(), StringIO()
    call_command(name, *map(str, arguments), stdout=out, stderr=err)
    return json.loads(out.getvalue()), err.getvalue()


@pytest.fixture
def returns(tmp_path):
    rng = np.random.default_rng(5)
    index = pd.date_range("2020-01-03", periods=60, freq="W-FRI", name="date")
    frame = pd.DataFrame(rng.normal(0, 0.02, (60, 3)), index, ["a", "b", "cash"])
    frame["cash"] = 0.0004
    path = tmp_path / "returns.parquet"
    frame.to_parquet(path)
    return path


def test_metrics_of_a_file(returns):
    found, notes = call("metrics", returns, "--benchmark", "b", "--rf", "cash")
    assert set(found) == {"a", "b"}
    assert notes.startswith("52 periods a year")
    yearly, _ = call("metrics", returns, "--rf", "0.02", "--periods", "12")
    assert set(yearly) == {"a", "b", "cash"}
    assert "beta" not in yearly["a"]


@pytest.mark.parametrize(
    ("extra", "words"),
    [(["--benchmark", "z"], "no column 'z'"), (["--rf", "z"], "neither a number")],
)
def test_metrics_ends_with_2_on_bad_input(returns, extra, words):
    with pytest.raises(CommandError, match=words) as error:
        call("metrics", returns, *extra)
    assert error.value.returncode == 2


def test_missing_file_ends_with_2(tmp_path):
    for command in ("metrics", "backtest"):
        with pytest.raises(CommandError, match="can't be read") as error:
            call(command, tmp_path / "none.json")
        assert error.value.returncode == 2


@pytest.fixture
def spec(tmp_path):
    closes = 100 * np.exp(np.random.default_rng(6).normal(0, 0.01, 300).cumsum())
    ts = pd.bdate_range("2020-01-01", periods=300)
    bars = pd.DataFrame({"symbol": "X", "ts": ts, "open": closes, "close": closes})
    bars["high"], bars["low"], bars["volume"] = closes + 1, closes - 1, 1.0
    bars.to_csv(tmp_path / "bars.csv", index=False)

    def write(**changes):
        body = {
            "strategy": "sma_crossover",
            "params": {"fast": 5, "slow": 20},
            "panel": "bars.csv",
            "cash": 10_000,
            **changes,
        }
        path = tmp_path / "spec.json"
        path.write_text(json.dumps(body))
        return path

    return write


def test_backtest_of_a_file(spec):
    one, _ = call("backtest", spec())
    two, _ = call("backtest", spec())
    assert one["digest"] == two["digest"]
    assert one["equity_final"] > 0
    assert one["trades"] == one["trade_figures"]["count"] > 0
    assert set(one["metrics"]) >= {"sharpe", "cagr", "max_drawdown", "beta", "exposure"}
    held, _ = call("backtest", spec(strategy="buy_and_hold", params={}))
    assert held["equity_final"] == pytest.approx(
        10_000 * (1 + held["benchmark"]["metrics"]["total_return"])
    )


def test_orders_and_weights_come_from_files_beside_the_specification(spec, tmp_path):
    rows = "ts,symbol,side,quantity\n2020-01-01,X,buy,10\n2020-01-06,X,sell,10\n"
    (tmp_path / "orders.csv").write_text(rows)
    found, _ = call("backtest", spec(strategy=None, params={}, orders_file="orders.csv"))
    bars = pd.read_csv(tmp_path / "bars.csv", index_col="ts")
    gain = 10 * (bars.loc["2020-01-07", "open"] - bars.loc["2020-01-02", "open"])
    assert found["equity_final"] == pytest.approx(10_000 + gain)
    assert (found["strategy"], found["trades"], found["fills"]) == ("given", 1, 2)
    (tmp_path / "orders.csv").write_text(rows.replace("2020-01-06", "2020-01-05"))
    with pytest.raises(CommandError, match=r"Row 2: there is no 1d bar at 2020-01-05") as error:
        call("backtest", spec(strategy=None, params={}, orders_file="orders.csv"))
    assert error.value.returncode == 2
    (tmp_path / "weights.csv").write_text("ts,X\n2020-01-01,1\n")
    held, _ = call("backtest", spec(strategy=None, params={}, targets_file="weights.csv"))
    assert held["equity_final"] == pytest.approx(
        10_000 * bars["close"].iloc[-1] / bars.loc["2020-01-02", "open"]
    )


def test_dividends_and_splits_of_a_file_are_paid_and_never_twice(spec, tmp_path):
    """Ten units at 100; 2 a unit is paid on one day; then two new units of 50 for one of 100."""
    price = np.repeat([100.0, 50.0], [8, 4])
    bars = pd.DataFrame({"ts": pd.bdate_range("2020-01-01", periods=12), "symbol": "X"})
    bars = bars.assign(open=price, high=price, low=price, close=price, volume=1e6)
    bars = bars.assign(dividend=0.0, split=0.0)
    bars.loc[5, "dividend"], bars.loc[8, "split"] = 2.0, 2.0
    bars.to_csv(tmp_path / "bars.csv", index=False)
    (tmp_path / "orders.csv").write_text("ts,symbol,side,quantity\n2020-01-01,X,buy,10\n")
    asked = {"strategy": None, "params": {}, "orders_file": "orders.csv"}
    found, _ = call("backtest", spec(**asked))
    assert found["equity_final"] == pytest.approx(10_020)
    assert found["flows"] == {"split": 1, "dividend": pytest.approx(20)}
    assert found["price_mode"] == "raw"
    with pytest.raises(CommandError, match=r"panel\.mixed_price_modes") as error:
        call("backtest", spec(**asked, price_mode="total_return"))
    assert error.value.returncode == 2


def test_limits_hold_in_a_backtest(spec):
    free, _ = call("backtest", spec())
    half, _ = call("backtest", spec(limits={"max_exposure": 0.5}))
    assert half["metrics"]["exposure"] == pytest.approx(free["metrics"]["exposure"] / 2, rel=0.05)


def test_costs_and_execution_of_a_request_reach_the_engine(spec):
    plain, _ = call("backtest", spec())
    body = {
        "costs": {"fee_bps": 5, "spread_bps": 10, "borrow_bps": 100, "per_unit": 0.01},
        "execution": {"stop_loss": 0.02, "lot": 1},
        "params": {"fast": 5, "slow": 20, "short": True},
    }
    found, _ = call("backtest", spec(**body))
    assert found["flows"]["borrowing"] < 0
    assert found["trade_figures"]["mean_mae"] > 0
    again, _ = call("backtest", spec(**body))
    assert found["digest"] == again["digest"] != plain["digest"]
    assert found["trade_figures"]["worst"] > -0.06


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"costs": {"spread_bps": -1}}, "costs.range"),
        ({"costs": {"funding": True}}, "funding.missing"),
        ({"costs": {"schedule": [{"fee_bps": 1}]}}, "a date such as"),
        ({"costs": {"schedule": [{"start": "2020-01-01", "fee": 1}]}}, "schedule.fee"),
        ({"costs": {"tax": 1}}, "request.unknown_field"),
        ({"execution": {"stop_loss": 2}}, "execution.range"),
        ({"execution": {"stops": 2}}, "request.unknown_field"),
        ({"execution": {"lot": "1"}}, "finite number"),
        ({"execution": {"leverage": 2}, "fill": "close"}, "fill.comparison_only"),
        ({"execution": {"leverage": 2}, "finalize": True}, "finalize.comparison_only"),
        ({"start": "2021-01-01", "end": "2020-01-01"}, "reversed"),
        ({"start": "2030-01-01"}, "no bars between"),
        ({"params": {"fast": 50}}, "below slow"),
        ({"strategy": "x"}, "x"),
        ({"cash": -5}, "positive"),
        ({"panel": "none.csv"}, "can't be read"),
    ],
)
def test_backtest_ends_with_2_on_bad_input(spec, change, words):
    with pytest.raises(CommandError, match=words) as error:
        call("backtest", spec(**change))
    assert error.value.returncode == 2


def test_backtest_of_no_json_ends_with_2(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text("[1, 2]")
    with pytest.raises(CommandError, match="no JSON object") as error:
        call("backtest", path)
    assert error.value.returncode == 2
