"""Booting the site and the workers loads no heavy library."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "alpaca",
    "apprise",
    "arch",
    "ccxt",
    "exchange_calendars",
    "groq",
    "llvmlite",
    "numba",
    "openai",
    "pandas",
    "plotly",
    "pyarrow",
    "pydantic_ai",
    "scipy",
    "skfolio",
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


@pytest.mark.parametrize("process", BOOTS)
def test_boot_loads_no_heavy_library(process):
    code = f"{BOOTS[process]}; import sys, json; print(json.dumps(sorted(sys.modules)))"
    environment = {**os.environ, "QUANTSITE_ENV": "test"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    assert loaded & HEAVY == set()
