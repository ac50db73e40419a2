"""A file run in the sandbox by hand: what it printed, and how it ended."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from apps.core.errors import Invalid, LabError
from apps.strategies.kernel.interface import check_params
from apps.strategies.kernel.tidy import columns_of, panel_of
from apps.strategies.kernel.user_code import read
from apps.strategies.sandbox.base import Sandbox, Session, Stopped
from apps.strategies.sandbox.own import OwnStrategy
from apps.strategies.selectors.running import sandbox

BLOCKED = "blocked_no_isolation"
EMPTY: dict[str, Any] = {
    "status": BLOCKED,
    "tier": "",
    "output": "",
    "stderr": "",
    "cpu_seconds": 0.0,
    "wall_seconds": 0.0,
    "peak_memory_mb": 0.0,
    "exit": None,
    "code": None,
    "message": None,
    "line": None,
    "answer": None,
}


def try_file(text: str, name: str, data: Path | None = None) -> dict[str, Any]:
    """Run a text as a program in the sandbox; return what it printed and how it ended.

    It finds the columns of ``data`` (CSV, Parquet, Arrow) as arrays in ``data``. A strategy is
    also asked for its weights on them. ``status`` is ``ok``, ``failed`` (it ended with an exit
    code), what stopped it (``time_limit``), or ``blocked_no_isolation`` and nothing was run.
    Raises ``Invalid`` for data that can't be read.
    """
    columns = {} if data is None else columns_of(data.read_bytes(), data.name)
    place = sandbox()
    status = place.status()
    found = {**EMPTY, "tier": status.tier, "guard": status.guard, "uid": status.uid}
    found |= {"landlock": status.fences.get("landlock", 0), "why": status.why}
    if not status.holds:
        return {**found, "code": "sandbox.unavailable", "message": status.why}
    began = time.monotonic()
    found |= _run(place, text, name, columns)
    if found["status"] == "ok" and columns:
        found |= _ask(place, text, columns, found["cpu_seconds"])
    return {**found, "wall_seconds": round(time.monotonic() - began, 3)}


def _run(place: Sandbox, text: str, name: str, columns: dict[str, Any]) -> dict[str, Any]:
    session = place.open()
    given = {one: value for one, value in columns.items() if isinstance(value, np.ndarray)}
    words = {one: value for one, value in columns.items() if one not in given}
    try:
        head, _ = session.ask("run_script", text=text, argv=[name], data=words, given=given)
    except Stopped as error:
        session.close()
        return {**_printed(session), **_told(error)}
    session.close()
    code = head.get("exit")
    return {**_printed(session), "status": "failed" if code else "ok", "exit": code}


def _printed(session: Session) -> dict[str, Any]:
    """Return what was printed: as told at the end, else what came before it was stopped."""
    return {
        "output": session.output or session.stray_words,
        "stderr": session.stderr,
        "cpu_seconds": round(session.cpu_seconds, 3),
        "peak_memory_mb": round(session.peak_memory / 2**20, 1),
    }


def _ask(place: Sandbox, text: str, columns: dict[str, Any], spent: float) -> dict[str, Any]:
    """Return the weights that a strategy wants on the data; nothing for what is no strategy."""
    try:
        declared = read("strategy", text)
    except Invalid:
        return {}
    strategy = OwnStrategy(declared, text, place, lambda _: None)
    try:
        panel = panel_of(columns)
        weights = strategy.targets(panel, check_params(declared.spec, {}))
    except LabError as error:
        return _told(error)
    finally:
        strategy.finish()
    used = strategy.used()
    rows = [[None if one != one else one for one in row] for row in weights.tolist()]
    answer = {"symbols": list(panel.symbols), "ts": panel.ts.tolist(), "weights": rows}
    answer |= {name: used[name] for name in ("replayed", "closes")}
    return {"answer": answer, "cpu_seconds": round(spent + used["cpu_seconds"], 3)}


def _told(error: LabError) -> dict[str, Any]:
    return {
        "status": error.code.rpartition(".")[2],
        "code": error.code,
        "message": error.message,
        "line": error.details.get("line"),
    }
