#!/usr/bin/env python
"""Run a management command of the lab."""

import gc
import importlib
import os
import sys

# Modules are many small objects that stay: looking through them again and again is a slow start.
gc.set_threshold(200_000, 50, 50)


def main() -> None:
    """Run the command; the supervisor itself needs no Django and starts faster without."""
    if sys.argv[1:2] == ["lab"]:
        sys.exit(importlib.import_module("apps.core.lab.start").main(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantsite.settings")
    importlib.import_module("django.core.management").execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
