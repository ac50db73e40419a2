"""A backtest's JSON file, and its quick way: with a file of bars it takes no database."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from apps.backtests.kernel.requests import ROWS
from apps.backtests.kernel.simulations import simulate_file
from apps.core.errors import Invalid, LabError
from apps.strategies.kernel.interface import Strategy


def read_specification(path: Path) -> tuple[dict[str, Any], Path | None]:
    """Return the body of a request and the file of bars it names, if any.

    CSV files of ``orders_file``, ``targets_file`` and ``signals_file`` are read into the body.
    Raises ``Invalid`` or ``OSError``.
    """
    try:
        body = json.loads(path.read_bytes())
    except ValueError as error:
        raise Invalid(f"{path} is no JSON: {error}.", code="request.no_json") from error
    if not isinstance(body, dict):
        message = f"{path} holds no JSON object; write the body of POST /backtests."
        raise Invalid(message, code="request.no_json")
    for name in ROWS:
        given = body.pop(f"{name}_file", "")
        if given:
            body[name] = beside(given, path).read_text(encoding="utf-8", errors="replace")
    panel = body.pop("panel", "")
    return body, beside(panel, path) if panel else None


def beside(name: str, spec: Path) -> Path:
    """Return a file's path: relative to here, or else to the specification's folder."""
    return Path(name) if Path(name).exists() else spec.parent / name


def quickly(arguments: Sequence[str], find: Callable[[str], Strategy]) -> bool:
    """Run ``backtest SPEC.json`` on a file of bars and print the result; tell whether it did.

    It did not when bars are stored, an option was given or anything is wrong: the command of that
    name does all of it, and says what is wrong.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        return False
    try:
        body, panel = read_specification(Path(arguments[0]))
        if panel is None:
            return False
        result = simulate_file(body, panel.read_bytes(), panel.name, find)
    except (LabError, OSError, LookupError):
        return False
    sys.stdout.write(json.dumps(result, allow_nan=False) + "\n")
    return True
