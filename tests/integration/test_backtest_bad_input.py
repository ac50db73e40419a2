"""Bad input at every door: the request over REST, the service, sweeps, the command on a file.

What the request alone tells is refused before anything is stored. What only the bars tell stops
the work with the same kind of answer, and leaves no figure, curve or table behind.
"""

import io
import json
import math

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from apps.backtests import selectors, services
from apps.backtests.kernel.reports import compute
from apps.backtests.kernel.requests import read_request
from apps.backtests.models import Artifact, Run, Sweep, Trial
from apps.core import jobs
from apps.core.errors import Invalid
from apps.core.models import Job
from apps.strategies.library.buy_and_hold import BuyAndHold
from apps.strategies.models import StrategyVersion

pytestmark = pytest.mark.django_db
GOOD = {
    "strategy": "sma_crossover",
    "params": {"fast": 5, "slow": 20},
    "instruments": ["AAPL"],
    "timeframe": "1d",
    "start": "2014-01-02",
    "end": "2014-12-31",
}
ALPHA = {"strategy": "expression", "instruments": ["AAPL", "MSFT", "XOM"]}


def formula(text):
    return ALPHA | {"params": {"expression": text}}


def weights(value):
    rows = [{"ts": "2014-01-03", "symbol": "AAPL", "weight": value}]
    return {"strategy": None, "params": {}, "targets": rows}


# What is asked for, the stable code, the field at fault.
ASKED = {
    "parameter below its range": ({"params": {"fast": 0}}, "params.out_of_range", "params.fast"),
    "parameter above its range": (
        {"params": {"slow": 10**9}},
        "params.out_of_range",
        "params.slow",
    ),
    "parameter of another type": (
        {"params": {"fast": "ten"}},
        "params.out_of_range",
        "params.fast",
    ),
    "parameter with a fraction": ({"params": {"fast": 5.5}}, "params.out_of_range", "params.fast"),
    "parameters against each other": (
        {"params": {"fast": 30, "slow": 20}},
        "params.out_of_range",
        "params.fast",
    ),
    "parameter nobody knows": ({"params": {"speed": 1}}, "params.unknown", "params.speed"),
    "price mode nobody knows": ({"price_mode": "close"}, "request.invalid", "price_mode"),
    "currency that is none": ({"currency": "$"}, "request.invalid", "currency"),
    "costs below zero": ({"costs": {"fee_bps": -1}}, "costs.range", "costs.fee_bps"),
    "expression that looks ahead": (
        formula("delay(close, -1)"),
        "expression.look_ahead",
        "expression",
    ),
    "expression of unlike units": (
        formula("close + volume"),
        "expression.mixed_units",
        "expression",
    ),
    "weight that is text": (weights("all"), "targets.rows", "targets"),
    "weight beyond reason": (weights(1000), "targets.rows", "targets"),
}
# The same of what only the bars tell.
BARS = {
    "warm-up longer than history": (
        {"params": {"fast": 5, "slow": 400}},
        "panel.too_short",
        "start",
    ),
    "warm-up of an expression": (formula("delta(close, 300)"), "panel.too_short", "start"),
    "no bars in the window": (
        {"start": "1980-01-02", "end": "1980-12-31"},
        "panel.no_bars",
        "start",
    ),
    "funding nobody knows": ({"costs": {"funding": True}}, "funding.missing", "costs.funding"),
    "funding from too early on": (
        {
            "strategy": "buy_and_hold",
            "params": {},
            "instruments": ["crypto-binance:BTC"],
            "timeframe": "1h",
            "start": "2025-03-07",
            "end": "2025-03-09",
            "costs": {"funding": True},
        },
        "funding.missing",
        "costs.funding",
    ),
    "mixed price modes": (
        {
            "strategy": "buy_and_hold",
            "params": {},
            "timeframe": "1mo",
            "price_mode": "raw",
        },
        "panel.mixed_price_modes",
        "price_mode",
    ),
    "bars missing inside the window": (
        {
            "strategy": "legacy_trend",
            "params": {},
            "instruments": ["long-history:SPY", "long-history:QQQ"],
            "start": "2004-01-02",
            "end": "2011-12-30",
        },
        "panel.nan_bars",
        "QQQ",
    ),
}


def stored():
    return {
        model: model.objects.count()
        for model in (Run, Job, StrategyVersion, Sweep, Trial, Artifact)
    }


def body_of(change):
    return {name: value for name, value in (GOOD | change).items() if value is not None}


@pytest.mark.parametrize("case", ASKED)
def test_a_bad_request_is_refused_and_stores_nothing(case, api_as, actor, now, sample, db):
    change, code, field = ASKED[case]
    api, who, body = api_as("researcher"), actor(), body_of(change)
    before = stored()
    answer = api.post("/api/v1/backtests", json.dumps(body), content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert field in answer.json()["errors"][0]["field"]
    with pytest.raises(Invalid) as refused:
        services.create_backtest(actor=who, request=body, now=now)
    assert refused.value.code == code
    with pytest.raises(Invalid) as refused:
        selectors.simulate(body)
    assert refused.value.code == code
    assert field in refused.value.details["field"]
    assert stored() == before


@pytest.mark.parametrize("case", BARS)
def test_bad_bars_stop_the_run_and_leave_no_result(case, api_as, now, sample, db):
    change, code, field = BARS[case]
    api, body = api_as("researcher"), body_of(change)
    answer = api.post("/api/v1/backtests", json.dumps(body), content_type="application/json")
    assert answer.status_code == 202, answer.content
    made = answer.json()
    status = jobs.execute(made["job"]["id"], services.run_backtest, worker="w", now=lambda: now)
    assert status == "failed"
    found = api.get(f"/api/v1/backtests/{made['id']}").json()
    assert found["error"]["code"] == code
    assert found["error"]["details"]["field"] == field
    assert (found["equity_final"], found["digest"], found["metrics"]) == (None, "", {})
    assert Artifact.objects.filter(run_id=made["id"]).count() == 0
    assert api.get(f"/api/v1/backtests/{made['id']}/equity").status_code == 409
    with pytest.raises(Invalid) as refused:
        selectors.simulate(body)
    assert (refused.value.code, refused.value.details["field"]) == (code, field)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused_in_json(literal, api_as, sample, db):
    api = api_as("researcher")
    before = stored()
    for text in (
        json.dumps(body_of(weights(0.5))).replace("0.5", literal),
        json.dumps(body_of({"cash": 12345})).replace("12345", literal),
        json.dumps(body_of({"params": {"fast": 12345}})).replace("12345", literal),
        json.dumps(body_of({"costs": {"fee_bps": 12345}})).replace("12345", literal),
    ):
        answer = api.post("/api/v1/backtests", text, content_type="application/json")
        assert 400 <= answer.status_code < 500, answer.content
        assert answer.json()["code"]
        json.loads(answer.content, parse_constant=pytest.fail)
    assert stored() == before


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, 101.0])
def test_weights_of_a_strategy_that_are_no_number_stop_the_run(wrong, sample, db):
    class Wild(BuyAndHold):
        """A strategy whose sum went wrong."""

        def targets(self, panel, params):  # noqa: ARG002 the interface hands parameters
            return np.full(panel.close.shape, wrong)

    asked = read_request(body_of({"strategy": "buy_and_hold", "params": {}}))
    panel = selectors.panel_of(asked, None, ())
    with pytest.raises(Invalid) as refused:
        compute(panel, Wild(), {}, asked)
    assert refused.value.code == "targets.range"


@pytest.mark.parametrize(
    ("change", "space", "code"),
    [
        ({}, {"fast": [0, 5]}, "params.out_of_range"),
        ({}, {"speed": [1]}, "sweep.space"),
        ({"price_mode": "close"}, {"slow": [20, 30]}, "request.invalid"),
        ({"costs": {"fee_bps": -1}}, {"slow": [20, 30]}, "costs.range"),
    ],
)
def test_a_bad_sweep_is_refused_and_stores_nothing(change, space, code, api_as, sample, db):
    api, before = api_as("researcher"), stored()
    answer = api.post(
        "/api/v1/sweeps",
        json.dumps(body_of(change) | {"space": space}),
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert stored() == before


@pytest.mark.parametrize(
    ("change", "space", "codes"),
    [
        # A warm-up that is too long is the matter of its combination alone.
        ({}, {"slow": [20, 400]}, {None, "panel.too_short"}),
        ({"costs": {"funding": True}}, {"slow": [20, 30]}, {"funding.missing"}),
        (
            BARS["bars missing inside the window"][0],
            {"strength": [20.0, 25.0]},
            {"panel.nan_bars"},
        ),
    ],
)
def test_bad_bars_refuse_the_combinations_of_a_sweep(change, space, codes, actor, now, sample, db):
    sweep, lanes = services.create_sweep(
        actor=actor(), request=body_of(change), space=space, now=now, lanes=1
    )
    jobs.execute(str(lanes[0].pk), services.run_sweep, worker="w", now=lambda: now)
    rows = list(Trial.objects.filter(sweep=sweep))
    assert {row.error and row.error["code"] for row in rows} == codes
    assert all((row.score is None) == (row.error is not None) for row in rows)


def test_bars_no_combination_can_use_end_the_sweep(actor, now, sample, db):
    change = {"timeframe": "1mo", "price_mode": "raw"}
    sweep, lanes = services.create_sweep(
        actor=actor(), request=body_of(change), space={"slow": [20, 30]}, now=now, lanes=1
    )
    jobs.execute(str(lanes[0].pk), services.run_sweep, worker="w", now=lambda: now)
    sweep.refresh_from_db()
    assert (sweep.status, sweep.error["code"]) == ("failed", "panel.mixed_price_modes")
    assert Trial.objects.filter(sweep=sweep).count() == 0


@pytest.fixture
def spec(tmp_path):
    """Write a specification beside a file of bars; ``spoil`` may change the bars."""
    closes = 100 + 10 * np.sin(np.arange(300) / 9)
    bars = pd.DataFrame({"ts": pd.bdate_range("2020-01-01", periods=300), "symbol": "X"})
    bars["open"] = bars["close"] = closes
    bars["high"], bars["low"], bars["volume"] = closes + 1, closes - 1, 1.0

    def write(spoil=None, **changes):
        found = bars.copy()
        if spoil is not None:
            found = spoil(found)
        found.to_csv(tmp_path / "bars.csv", index=False)
        body = {"strategy": "sma_crossover", "params": {"fast": 5, "slow": 20}, **changes}
        path = tmp_path / "spec.json"
        path.write_text(json.dumps({**body, "panel": "bars.csv"}))
        return path

    return write


def spoiled(column, row, value):
    def spoil(bars):
        bars[column] = bars[column].astype(object)
        bars.loc[row, column] = value
        return bars

    return spoil


def second_with_a_gap(bars):
    other = bars.assign(symbol="Y").drop(index=range(100, 110))
    return pd.concat([bars, other])


@pytest.mark.parametrize(
    ("spoil", "changes", "code", "words"),
    [
        (None, {"params": {"fast": 0}}, "params.out_of_range", "fast"),
        (None, {"params": {"slow": 300, "fast": 5}}, "panel.too_short", "300 bars"),
        (None, {"costs": {"funding": True}}, "funding.missing", "costs.funding"),
        (None, {"strategy": "expression", "params": {"expression": "delay(close, -1)"}},
         "expression.look_ahead", "future"),
        (None, {"strategy": "expression", "params": {"expression": "close + volume"}},
         "expression.mixed_units", "volume"),
        (spoiled("close", 7, ""), {}, "panel.bad_value", "row 8"),
        (spoiled("close", 7, "nan"), {}, "panel.bad_value", "row 8"),
        (spoiled("open", 9, "inf"), {}, "panel.bad_value", "row 10"),
        (spoiled("low", 9, -1.0), {}, "panel.bad_value", "row 10"),
        (spoiled("ts", 9, "later"), {}, "panel.time", "ts"),
        (second_with_a_gap, {"strategy": "legacy_trend", "params": {}}, "panel.nan_bars", "Y"),
    ],
)  # fmt: skip
def test_the_command_ends_with_2_code_and_place(spec, spoil, changes, code, words):
    with pytest.raises(CommandError) as error:
        call_command("backtest", str(spec(spoil, **changes)), stdout=io.StringIO())
    assert error.value.returncode == 2
    assert f"[{code}]" in str(error.value)
    assert words in str(error.value)
