"""Booting the site and the workers loads no heavy library; a command on a file loads no site."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).parents[2]
HEAVY = {
    "alpaca",
    "apprise",
    "arch",
    "ccxt",
    "cvxpy",
    "exchange_calendars",
    "groq",
    "llvmlite",
    "matplotlib",
    "numba",
    "openai",
    "pandas",
    "plotly",
    "pyarrow",
    "pydantic_ai",
    "reportlab",
    "scipy",
    "skfolio",
    "sklearn",
    "statsmodels",
    "talib",
    "torch",
}
BOOTS = {
    "web": "import quantsite.asgi; from django.urls import get_resolver; "
    "get_resolver().url_patterns",
    "worker": "from celery_worker.app import app; import django; django.setup(); "
    "app.loader.import_default_modules()",
}


BARS = "symbol,ts,open,high,low,close,volume\n" + "".join(
    f"X,2024-01-{day:02},{10 + day},{11 + day},{9 + day},{10 + day},1\n" for day in range(1, 29)
)
# What a backtest on a file of bars can do without.
SITE = {"django", "ninja", "celery", "channels", "redis", "psycopg", "structlog"} | HEAVY


def loaded_by(code):
    """Return the names of what a process has loaded at its end, and what it printed before."""
    code = f"{code}; import sys, json; print(json.dumps(sorted(sys.modules)))"
    environment = {**os.environ, "QUANTSITE_ENV": "test"}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *lines, modules = done.stdout.splitlines()
    return {name.partition(".")[0] for name in json.loads(modules)}, lines


@pytest.mark.parametrize("process", BOOTS)
def test_boot_loads_no_heavy_library(process):
    loaded, _ = loaded_by(BOOTS[process])
    assert loaded & HEAVY == set()


def test_a_backtest_on_a_file_loads_neither_site_nor_pandas(tmp_path, capsys):
    (tmp_path / "bars.csv").write_text(BARS)
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"strategy": "buy_and_hold", "panel": "bars.csv", "cash": 1000}))
    run = f"sys.argv = ['manage.py', 'backtest', {str(spec)!r}]; runpy.run_path(*sys.argv[:1], "
    loaded, lines = loaded_by(f"import runpy, sys; {run} run_name='__main__')")
    assert loaded & (SITE - {"llvmlite", "numba", "pyarrow", "scipy"}) == set()
    call_command("backtest", str(spec))
    assert json.loads(lines[0]) == json.loads(capsys.readouterr().out)
