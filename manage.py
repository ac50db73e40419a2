#!/usr/bin/env python
"""Run a management command of the lab."""

import gc
import importlib
import os
import runpy
import sys
from pathlib import Path
from typing import Any

# Modules are many small objects that stay: looking through them again and again is a slow start.
gc.set_threshold(200_000, 50, 50)
SETTINGS = "quantsite.settings"
PLUGS = Path(__file__).parent / "quantsite" / "settings" / "plugs.py"


def main() -> None:
    """Run the command; what needs no Django starts faster without."""
    if sys.argv[1:2] == ["lab"]:
        sys.exit(importlib.import_module("apps.core.lab.start").main(sys.argv[2:]))
    if sys.argv[1:2] == ["backtest"] and os.environ.get("DJANGO_SETTINGS_MODULE") in {
        None,
        SETTINGS,
    }:
        specifications = importlib.import_module("apps.backtests.management.specifications")
        if specifications.quickly(sys.argv[2:], find_strategy):
            return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    importlib.import_module("django.core.management").execute_from_command_line(sys.argv)


def find_strategy(name: str) -> Any:
    """Return a member of the library; the table is read without the other settings."""
    line = runpy.run_path(str(PLUGS))["STRATEGY_LIBRARY"][name]
    module, _, plug = line["CLASS"].rpartition(".")
    return getattr(importlib.import_module(module), plug)(**line.get("OPTIONS", {}))


if __name__ == "__main__":
    main()
