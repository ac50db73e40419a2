"""Orders that come with a request, and every table of a run: stored by digest, read by REST."""

import hashlib
import io

import numpy as np
import pandas as pd
import pytest

from apps.backtests import selectors, services
from apps.backtests.models import Artifact, Run
from apps.core import jobs
from apps.core.errors import Invalid
from apps.core.models import Job

# The bars and the figures worked out by hand are those of tests/unit/backtests/test_given.py.
BODY = {
    "instruments": ["AAPL"],
    "timeframe": "1d",
    "start": "2012-01-03",
    "end": "2012-02-02",
    "cash": 100_000,
    "price_mode": "raw",
    "benchmark": "none",
    "costs": {"fee_bps": 10},
    "orders": [
        {"ts": "2012-01-03", "symbol": "AAPL", "size": 100},
        {"ts": "2012-01-04", "symbol": "AAPL", "size": -50, "kind": "limit", "price": 425},
        {
            "ts": "2012-01-04",
            "symbol": "AAPL",
            "size": 10,
            "kind": "limit",
            "price": 400,
            "bars": 3,
        },
        {
            "ts": "2012-01-24",
            "symbol": "AAPL",
            "size": 20,
            "kind": "limit",
            "price": 446,
            "stop_loss": 440,
            "take_profit": 455,
        },
    ],
}


@pytest.fixture
def client(api_as, sample):
    return api_as("researcher")


def posted(client, body):
    return client.post("/api/v1/backtests", body, content_type="application/json")


@pytest.fixture
def run_id(client):
    """Queue the run over REST and let a worker compute it."""
    answer = posted(client, BODY)
    assert answer.status_code == 202, answer.content
    job = answer.json()["job"]["id"]
    done = jobs.execute(job, services.run_backtest, worker="w")
    assert done == "done", Job.objects.get(pk=job).error
    return answer.json()["id"]


def read(client, run_id, path):
    answer = client.get(f"/api/v1/backtests/{run_id}/{path}".rstrip("/"))
    assert answer.status_code == 200, answer.content
    return answer.json()


def exported(client, run_id, what, kind):
    answer = client.get(f"/api/v1/backtests/{run_id}/export?what={what}&format={kind}")
    assert answer.status_code == 200, answer.content
    return {"csv": pd.read_csv, "parquet": pd.read_parquet}[kind](io.BytesIO(answer.content))


@pytest.mark.store
def test_every_table_is_stored_by_digest_and_read_by_rest(client, run_id):
    kept = {a.name: a for a in Artifact.objects.filter(run_id=run_id)}
    assert set(kept) == {"orders", "fills", "trades", "positions", "given_orders"}
    for artifact in kept.values():
        assert artifact.digest == hashlib.sha256(bytes(artifact.content)).hexdigest()
    orders = read(client, run_id, "orders")["items"]
    assert [(o["kind"], o["side"], o["state"]) for o in orders] == [
        ("market", "buy", "filled"),
        ("limit", "sell", "filled"),
        ("limit", "buy", "expired"),
        ("limit", "buy", "filled"),
        ("limit", "sell", "filled"),
        ("stop", "sell", "cancelled"),
    ]
    assert orders[2]["reason"] == "not filled within its 3 bars"
    assert orders[5]["reason"] == "the other side of its bracket was filled"
    assert orders[0]["made_ts"] == "2012-01-03T00:00:00Z"
    assert orders[3]["average_price"] == 446.0
    fills = read(client, run_id, "fills")["items"]
    assert [(f["order"], f["quantity"], f["price"]) for f in fills] == [
        (1, 100.0, 410.0),
        (2, -50.0, 425.5001),
        (4, 20.0, 446.0),
        (5, -20.0, 455.59),
    ]
    trades = read(client, run_id, "trades")["items"]
    # First in, first out: the take profit of the second entry sells shares of the first.
    assert [(t["entry_price"], t["exit_price"], t["size"]) for t in trades] == [
        (410.0, 425.5001, 50.0),
        (410.0, 455.59, 20.0),
        (410.0, 455.12, 30.0),
        (446.0, 455.12, 20.0),
    ]
    assert trades[0]["mae"] == pytest.approx((410 - 409.28) / 410)
    assert trades[0]["mfe"] == pytest.approx((425.5001 - 410) / 410)
    assert trades[0]["bars_held"] == 3
    changes = read(client, run_id, "positions/changes")["items"]
    assert [(c["ts"][:10], c["quantity"]) for c in changes] == [
        ("2012-01-04", 100.0),
        ("2012-01-09", 50.0),
        ("2012-01-25", 70.0),
        ("2012-01-31", 50.0),
    ]
    assert read(client, run_id, "positions")["history"]["quantity"] == [[100], [50], [70], [50]]


@pytest.mark.store
def test_exposure_by_bar_is_value_over_equity(client, run_id):
    rows = read(client, run_id, "exposure?limit=3")
    first, second = rows["items"][:2]
    assert (first["gross"], first["leverage"], first["equity"]) == (0.0, 0.0, 100_000.0)
    equity = 100_000 - 41_041 + 100 * 413.44
    assert second["gross"] == second["net"] == second["long"] == pytest.approx(41_344)
    assert second["leverage"] == pytest.approx(41_344 / equity)
    assert second["short"] == pytest.approx(0.0)
    path = f"exposure?limit=200&cursor={rows['next']}"
    assert len(read(client, run_id, path)["items"]) == 22 - 3


@pytest.mark.parametrize("what", ["equity", "exposure", "orders", "fills", "trades", "positions"])
def test_csv_and_parquet_hold_the_same(client, run_id, what):
    csv, parquet = (exported(client, run_id, what, kind) for kind in ("csv", "parquet"))
    assert list(csv.columns) == [*parquet.columns, "run_digest"]
    assert set(csv["run_digest"]) == {Run.objects.get(pk=run_id).digest}
    assert len(csv) == len(parquet) > 0
    for name in csv.select_dtypes("float").columns:
        ours = parquet[name].astype(float)
        np.testing.assert_allclose(csv[name], ours, rtol=1e-15, equal_nan=True)


def test_the_rows_given_come_back_as_they_were(client, run_id):
    found = exported(client, run_id, "given_orders", "parquet")
    assert found["size"].tolist() == [100.0, -50.0, 10.0, 20.0]
    run = Run.objects.get(pk=run_id)
    assert run.request["given"]["orders"]["rows"] == 4
    assert "orders" not in run.request
    asked = selectors.request_of(run)
    assert asked.given.summary() == run.request["given"]
    assert asked.as_dict() == run.request


def test_orders_are_filtered_and_paged(client, run_id):
    filled = read(client, run_id, "orders?state=filled&limit=2")
    assert [o["number"] for o in filled["items"]] == [1, 2]
    more = read(client, run_id, f"orders?state=filled&limit=2&cursor={filled['next']}")
    assert [o["number"] for o in more["items"]] == [4, 5]
    assert more["next"] is None
    assert read(client, run_id, "orders?symbol=MSFT")["items"] == []
    answer = client.get(f"/api/v1/backtests/{run_id}/orders?state=lost")
    assert (answer.status_code, answer.json()["code"]) == (422, "orders.state")


def test_repeating_a_run_keeps_its_rows(client, run_id):
    before = Run.objects.get(pk=run_id)
    Job.objects.filter(pk=before.job_id).update(status="queued")
    assert jobs.execute(str(before.job_id), services.run_backtest, worker="w") == "done"
    after = Run.objects.get(pk=run_id)
    assert after.digest == before.digest
    assert Artifact.objects.filter(run_id=run_id).count() == 5


def test_figures_draw_exposure_and_excursions(client, run_id):
    for name in ("exposure", "excursions"):
        assert read(client, run_id, f"figures/{name}")["data"]


def test_other_rows_make_another_digest(client, run_id):
    rows = [dict(BODY["orders"][0], size=101)]
    answer = posted(client, BODY | {"orders": rows}).json()
    jobs.execute(answer["job"]["id"], services.run_backtest, worker="w")
    assert read(client, answer["id"], "")["digest"] != read(client, run_id, "")["digest"]


def test_a_run_of_given_orders_can_not_be_proposed(client, run_id, actor, now):
    with pytest.raises(Invalid, match="came with the request") as refusal:
        services.propose_run(
            actor=actor(), run_id=run_id, rationale="x" * 20, target_stage="paper", now=now
        )
    assert refusal.value.code == "backtest.given"


# Bad input.


def test_bad_rows_are_named_before_anything_is_stored(client):
    rows = [
        BODY["orders"][0] | {"symbol": "APPL"},
        BODY["orders"][0],
        BODY["orders"][0] | {"ts": "2012-01-07"},
        BODY["orders"][0] | {"stop_loss": 500},
        BODY["orders"][0] | {"ts": "2013-01-03"},
    ]
    answer = posted(client, BODY | {"orders": rows})
    assert (answer.status_code, answer.json()["code"]) == (422, "orders.rows")
    found = answer.json()["errors"][0]["rows"]
    assert [(f["row"], f["code"]) for f in found] == [
        (1, "symbol.unknown"),
        (3, "ts.not_a_bar"),
        (4, "bracket.side"),
        (5, "ts.outside"),
    ]
    assert Run.objects.count() == 0


def test_a_sweep_takes_no_rows(client):
    body = BODY | {"strategy": "sma_crossover", "space": {"fast": [5, 10]}}
    answer = client.post("/api/v1/sweeps", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (422, "sweep.given")
