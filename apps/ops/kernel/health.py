"""What a state of health is, and how several add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ORDER = ("ok", "unknown", "degraded", "down")


@dataclass(frozen=True, slots=True)
class State:
    """How one subsystem is: ``ok``, ``unknown``, ``degraded`` or ``down``, and what to do."""

    name: str
    status: str
    summary: str
    advice: str = ""
    latency_ms: float | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def worst(states: list[State]) -> str:
    """Return the worst status among ``states``; ``unknown`` when there is none."""
    return max((state.status for state in states), key=ORDER.index, default="unknown")


def judge_processes(
    seen: dict[str, int], wanted: dict[str, int], *, mend: dict[str, str]
) -> list[State]:
    """Return a state per kind of process: how many were seen lately against how many must be."""
    return [
        _judge(kind, seen.get(kind, 0), need, mend.get(kind, "")) for kind, need in wanted.items()
    ]


def _judge(kind: str, count: int, need: int, advice: str) -> State:
    if count >= need:
        return State(kind, "ok", f"{count} alive", detail={"alive": count})
    return State(kind, "down", f"{count} of {need} alive", advice, detail={"alive": count})


def judge_served(
    worker: State, served: set[str], queues: tuple[str, ...], *, advice: str
) -> State:
    """Return the workers' state, down when a queue has nobody who serves it."""
    missing = [queue for queue in queues if queue not in served]
    if worker.status != "ok" or not missing:
        return worker
    summary = f"{worker.summary}, nobody serves {', '.join(missing)}"
    return State(worker.name, "down", summary, advice, detail=worker.detail)


def judge_lag(
    name: str, lag_seconds: float | None, *, degraded: float, down: float, advice: str
) -> State:
    """Return a state from a lag in seconds; None means that nothing waits."""
    if lag_seconds is None or lag_seconds < degraded:
        return State(name, "ok", f"lag {lag_seconds or 0.0:.1f} s")
    status = "down" if lag_seconds >= down else "degraded"
    return State(name, status, f"lag {lag_seconds:.1f} s", advice)
