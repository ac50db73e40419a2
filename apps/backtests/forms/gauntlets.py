"""What the panel of a gauntlet shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.backtests.kernel.integrity.gauntlet import FEWEST, MOST, USUAL

OPEN = ("queued", "running")


def gauntlet_part(run_id: str, found: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the context of the panel: a gauntlet under way, done, stopped, or none yet."""
    context: dict[str, Any] = {"run_id": run_id, "fewest": FEWEST, "most": MOST, "usual": USUAL}
    if found is None:
        return {**context, "found": {}}
    status = found["status"]
    told = {
        **{name: found[name] for name in ("id", "job_id", "worlds")},
        "is_open": status in OPEN,
        "is_done": status == "done",
        "problem": _problem(found) if status not in (*OPEN, "done") else "",
    }
    if not told["is_done"]:
        return {**context, "found": told}
    result = found["result"]
    return {
        **context,
        "found": told,
        "verdicts": result["verdicts"],
        "drawn": [row for row in result["verdicts"] if not row["refused"]],
        "costs": result["break_even"],
        "capacity": result["capacity"],
        "usual": found["worlds"],
    }


def _problem(found: Mapping[str, Any]) -> str:
    """Return why there is no result."""
    message = (found["error"] or {}).get("message")
    return str(message or f"The gauntlet was {found['status']}; ask for it again.")
