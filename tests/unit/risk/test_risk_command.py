"""``manage.py risk FILE``: JSON out, refusals by exit code."""

import io
import json

import numpy as np
import pytest
from django.core.management import call_command
from scipy import stats

from apps.risk.kernel.measures import METHODS
from apps.risk.kernel.value_at_risk import value_at_risk

RETURNS = np.random.default_rng(3).normal(0.0005, 0.01, (300, 2))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "returns.csv"
    rows = [f"2020-01-01T{i:05d},{a!r},{b!r}" for i, (a, b) in enumerate(RETURNS.tolist())]
    path.write_text("\n".join(["date,A,B", *rows]))
    return path


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command("risk", *map(str, arguments), stdout=out, stderr=err)
    return json.loads(out.getvalue())


def test_each_column_and_the_portfolio(file):
    answer = run(file, "--level", 0.99, "--method", "gaussian", "--weights", "A=0.5,B=0.5")
    assert set(answer) == {"A", "B", "portfolio"}
    assert answer["A"]["var"] == value_at_risk(RETURNS[:, 0], 0.99, "gaussian")
    both = RETURNS @ np.array([0.5, 0.5])
    assert answer["portfolio"]["var"] == pytest.approx(value_at_risk(both, 0.99, "gaussian"))
    assert answer["B"]["es"] > answer["B"]["var"] > 0


def test_parquet_gives_the_same(file, tmp_path):
    import pandas as pd

    path = tmp_path / "returns.parquet"
    pd.read_csv(file).set_index("date").to_parquet(path)
    assert run(path) == run(file)


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("date,A\n2020-01-01,0.1", [], "risk.too_few"),
        ("date,A\n2020-01-01,0.1\n2020-01-02,x", [], "row 2 holds 'x'"),
        ("date,A\n2020-01-01,0.1\n2020-01-02,inf", [], "risk.not_finite"),
        ("date,A\n2020-01-01,0.1\n2020-01-02,0.1", ["--method", "crystal_ball"], "available are"),
        ("date,A\n2020-01-01,0.1\n2020-01-02,0.1", ["--level", "95"], "risk.level"),
        ("date,A\n2020-01-01,0.1\n2020-01-02,0.1", ["--weights", "B=1"], "No column B"),
        ("date\n2020-01-01", [], "file.empty"),
    ],
)
def test_bad_input_exits_with_2(tmp_path, text, options, says):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    err = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("risk", str(path), *options, stdout=io.StringIO(), stderr=err)
    assert caught.value.code == 2
    assert says in err.getvalue()


@pytest.mark.parametrize("method", list(METHODS))
def test_methods_answer_with_errors_and_what_they_rest_on(file, method):
    answer = run(file, "--method", method, "--draws", 2048)["A"]
    assert answer["es"] > answer["var"] > 0
    assert answer["method"] == method
    assert answer["var_error"] >= 0
    assert answer["observations"] == 300


def test_conventions_change_what_is_told(file):
    peer = -np.quantile(RETURNS[:, 0], 0.05, method="inverted_cdf")
    answer = run(file, "--quantile", "1", "--shortfall", "tail")["A"]
    assert answer["var"] == peer
    assert (answer["quantile"], answer["shortfall"]) == ("inverted_cdf", "tail")
    far = run(file, "--method", "gaussian", "--horizon", 9, "--scaling", "sqrt_time")["A"]
    assert far["var"] == pytest.approx(3 * value_at_risk(RETURNS[:, 0], 0.95, "gaussian"))


def test_components_sum_and_drawdowns_come_along(file):
    answer = run(file, "--weights", "A=0.7,B=-0.2", "--components", "--drawdowns")
    rows = answer["portfolio"]["components"]
    assert [row["name"] for row in rows] == ["A", "B"]
    assert sum(row["component_es"] for row in rows) == pytest.approx(answer["portfolio"]["es"])
    assert sum(row["component_var"] for row in rows) == pytest.approx(answer["portfolio"]["var"])
    assert answer["A"]["drawdowns"]["deepest"] >= answer["A"]["drawdowns"]["at_risk"]


def test_backtest_tells_every_test_of_the_method(file):
    answer = run(file, "--backtest", "--window", 100, "--weights", "A=0.7,B=-0.2")
    for name, returns in (("A", RETURNS[:, 0]), ("portfolio", RETURNS @ np.array([0.7, -0.2]))):
        told = answer[name]["backtest"]
        # By hand: each day's VaR is the quantile of the hundred days before it.
        var = [-np.quantile(returns[i - 100 : i], 0.05) for i in range(100, 300)]
        count = int(np.sum(-returns[100:] > var))
        assert (told["days"], told["exceptions"], told["expected"]) == (200, count, 10.0)
        peer = stats.binom.sf(count - 1, 200, 0.05)
        assert told["too_many"]["p_value"] == pytest.approx(peer, abs=1e-9)
        assert set(told["christoffersen"]) == {"independence", "conditional_coverage"}
        assert set(told["acerbi_szekely"]) == {"z1", "z2"}
        assert told["basel_zone"] in {"green", "yellow", "red"}
        for test in (told["kupiec"], *told["acerbi_szekely"].values(), told["es_regression"]):
            assert 0.0 < test["p_value"] <= 1.0


def test_liquidity_of_a_portfolio_by_hand(file):
    options = ("--weights", "A=0.6,B=0.4", "--liquidity", "--spreads", "A=0.002")
    options += ("--spread-deviations", "A=0.001", "--equity", 1_000, "--level", 0.99)
    one = run(file, *options)["portfolio"]["liquidity"]
    assert one["spread_cost"] == pytest.approx(0.5 * 0.6 * (0.002 + 3 * 0.001))
    assert one["liquidation_var"] == pytest.approx(one["var"])
    assert any("No volumes" in note for note in one["notes"])
    assert any("No spread of B" in note for note in one["notes"])
    slow = run(file, *options, "--volumes", "A=600,B=400", "--participation", 0.25)
    told = slow["portfolio"]["liquidity"]
    assert [row["periods"] for row in told["positions"]] == [4, 4]
    # Drift is linear, the deviation grows by sqrt((n + 1)(2n + 1) / 6n) for n = 4 periods.
    book = RETURNS @ np.array([0.6, 0.4])
    drift = -book.mean() * (1 + 0.75 + 0.5 + 0.25)
    wide = -stats.norm.ppf(0.01) * book.std() * np.sqrt(5 * 9 / 24)
    assert told["liquidation_var"] == pytest.approx(drift + wide, rel=1e-9)
    assert told["adjusted_var"] == pytest.approx(told["liquidation_var"] + one["spread_cost"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--liquidity"], "risk.weights"),
        (["--liquidity", "--weights", "A=1", "--spreads", "Z=0.1"], "is not held"),
        (["--liquidity", "--weights", "A=1", "--spreads", "A=wide"], "--spreads 'A=wide'"),
        (["--liquidity", "--weights", "A=1", "--volumes", "A=-5"], "risk.liquidity"),
        (["--liquidity", "--weights", "A=1", "--volumes", "A=nan"], "risk.liquidity"),
        (["--liquidity", "--weights", "A=1", "--spread-multiple", "inf"], "risk.liquidity"),
        (["--backtest", "--method", "evt", "--level", "0.5"], "risk.evt_level"),
        (["--backtest", "--horizon", "400"], "risk.horizon"),
    ],
)
def test_what_makes_no_liquidity_or_grade_is_refused(file, options, says):
    err = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("risk", str(file), *options, stdout=io.StringIO(), stderr=err)
    assert caught.value.code == 2
    assert says in err.getvalue()
