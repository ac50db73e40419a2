"""Runs bench rows and prints one JSON line each.

A row is a function without arguments that measures the lab and a peer, compares their results
first, and returns ``{"name", "value", "unit", "peer", "peer_value", "ratio", "goal", "checked"}``.
Rows run one after another in processes of their own, so that none warms or burdens the next.
"""

import argparse
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Name of the row: module under tests.speed that has a function of that name.
ROWS = {
    "backtest_1m_bars": "backtest",
    "backtest_5k_bars": "backtest",
    "backtest_5k_bars_bt": "backtest",
    "backtest_rss": "backtest",
    "backtest_cold": "cold",
    "backtest_request": "requested",
    "sweep_1k": "sweeps",
    "sweep_10k": "sweeps",
    "sweep_1k_metrics": "sweeps",
    "sweep_table_10k": "sweep_table",
    "portfolio_500": "portfolios",
    "portfolio_500_bt": "portfolios",
    "event_gear_python": "events",
    "event_gear_compiled": "events",
    "api_list_200": "api_list",
    "page_first_chart": "first_chart",
    "plan_40k": "planning",
    "plan_40k_stored": "plan_stored",
    "ingest_5m": "bars",
    "reingest_5m": "bars",
    "read_panel_db": "bars",
    "read_panel_cache": "bars",
    "resample_10m": "longer_bars",
    "health_40k": "health",
    "indicators": "indicators",
    "sandbox_start": "sandbox",
    "probe_overhead": "probing",
    "ledger_append": "ledger",
    "rolling_rank": "expressions",
    "alphas_50": "expressions",
    "forge_eval": "forge",
    "var_es_1000": "risk",
    "monte_carlo": "risk",
    "var_es_1m": "risk",
    "guard_order": "guard",
    "null_worlds": "worlds",
    "null_world_runs": "worlds",
    "live_risk": "live_risk",
    "pbo_1000": "integrity",
    "effective_trials": "integrity",
    "purged_cv": "purged",
    "runs_table_50k": "runs_table",
}
LIMIT_SECONDS = 900


def main(arguments=None):
    """Run the rows asked for; 1 when one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=os.environ.get("ROWS", ""), help="a,b; all without")
    parser.add_argument("--here", action="store_true", help="in this process: used by the runner")
    asked = parser.parse_args(arguments)
    names = [name for name in asked.rows.split(",") if name] or list(ROWS)
    unknown = sorted(set(names) - set(ROWS))
    if unknown:
        sys.stderr.write(f"No row {', '.join(unknown)}; there are {', '.join(ROWS)}.\n")
        return 2
    if asked.here:
        return run_here(names)
    return max(run_apart(name) for name in names)


def run_here(names):
    """Measure in this process and print the lines."""
    os.environ.setdefault("QUANTSITE_ENV", "test")
    for name in names:
        row = getattr(import_module(f"tests.speed.{ROWS[name]}"), name)()
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
    return 0


def run_apart(name):
    """Measure in a process of its own; pass its line on, or say what went wrong."""
    command = [sys.executable, "-m", "tests.speed", "--here", "--rows", name]
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS
        )
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"{name}: not done after {LIMIT_SECONDS} s\n")
        return 1
    sys.stdout.write(done.stdout)
    sys.stdout.flush()
    if done.returncode:
        sys.stderr.write(f"{name}: failed, see above\n")
    return 1 if done.returncode else 0
