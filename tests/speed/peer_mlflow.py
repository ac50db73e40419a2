"""The peer of the table of runs: MLflow's own store on SQLite, filled straight, asked by its API.

Standalone, in an environment that has mlflow: a file of rows, a folder, and what to ask.
"""

import json
import os
import sqlite3
import sys
import time
from pathlib import Path
from statistics import median

rows, home, ask = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2], json.loads(sys.argv[3])
os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{home}/mlflow.db"

import mlflow  # noqa: E402 the address comes first
from mlflow.tracking import MlflowClient  # noqa: E402

client = MlflowClient()
experiment = client.create_experiment("runs", artifact_location=f"file://{home}/artifacts")
first = client.create_run(experiment, run_name="template")
client.log_metric(first.info.run_id, "sharpe", -9.0)

# Made by MLflow itself, one run a call, 50,000 take hours; the rows are those it would write.
base = sqlite3.connect(f"{home}/mlflow.db")


def columns(table):
    return [line[1] for line in base.execute(f"PRAGMA table_info({table})")]


def like(table, where, **changes):
    names = columns(table)
    found = base.execute(f"SELECT * FROM {table} WHERE {where} LIMIT 1").fetchone()
    return names, dict(zip(names, found, strict=True)) | changes


def insert(table, names, values):
    marks = ",".join("?" * len(names))
    base.executemany(f"INSERT INTO {table} ({','.join(names)}) VALUES ({marks})", values)


key = f"run_uuid = '{first.info.run_id}'"
run_names, run_like = like("runs", key)
metric_names, metric_like = like("latest_metrics", key)
ids = [f"{n:032x}" for n in range(1, len(rows) + 1)]
insert(
    "runs",
    run_names,
    (
        [
            {**run_like, "run_uuid": i, "name": row["title"], "status": "FINISHED"}[name]
            for name in run_names
        ]
        for i, row in zip(ids, rows, strict=True)
    ),
)
for table in ("latest_metrics", "metrics"):
    names = columns(table)
    blank = {name: metric_like.get(name) for name in names}
    insert(
        table,
        names,
        (
            [{**blank, "run_uuid": i, "key": k, "value": v}[name] for name in names]
            for i, row in zip(ids, rows, strict=True)
            for k, v in row["metrics"].items()
        ),
    )
insert(
    "params",
    ["key", "value", "run_uuid"],
    ([k, v, i] for i, row in zip(ids, rows, strict=True) for k, v in row["params"].items()),
)
insert(
    "tags",
    ["key", "value", "run_uuid"],
    (
        [k, v, i]
        for i, row in zip(ids, rows, strict=True)
        for k, v in {
            **row["tags"],
            "strategy": row["strategy"],
            "mlflow.runName": row["title"],
        }.items()
    ),
)
base.commit()
base.execute("ANALYZE")
base.commit()
base.close()


def search():
    return client.search_runs(
        [experiment], filter_string=ask["filter"], order_by=ask["order"], max_results=ask["page"]
    )


search()
seconds = []
for _ in range(max(ask["rounds"], 5)):
    begin = time.perf_counter()
    found = search()
    seconds.append(time.perf_counter() - begin)
answer = {
    "titles": [run.info.run_name for run in found],
    "seconds": median(seconds),
    "version": mlflow.__version__,
}
sys.stdout.write(json.dumps(answer) + "\n")
