"""Gates as data: the figures that a promotion's evidence must show."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from apps.approvals.kernel.states import STAGES

OPERATORS = {">=": "at least", "<=": "at most", "is": "is"}
# off: listed, never judged. on: must hold; without its figure it fails. if_available: judged when
# the evidence holds the figure.
MODES = ("off", "on", "if_available")
MODE_WORDS = (
    ("on", "on: fails closed"),
    ("if_available", "when available"),
    ("off", "off: listed only"),
)
# What the figures that the lab itself measures can be: from, to, unit.
FIGURES: dict[str, tuple[float, float, str]] = {
    "deflated_sharpe": (0, 1, ""),
    "pbo": (0, 1, ""),
    "trades": (0, 1_000_000, "trades"),
    "paper_days": (0, 3650, "days"),
    "holdout_alpha_left": (0, 1, ""),
    "walk_forward_sharpe": (-100, 100, ""),
    "walk_forward_degradation": (-100, 100, ""),
    "null_p_value": (0, 1, ""),
    "break_even_bps": (0, 1_000, "bps"),
    "capacity_usd": (0, 1e12, "USD"),
    "doctor_critical": (0, 1_000, "diagnoses"),
}
# Figures that are true or false.
TRUTHS = frozenset({"probe_passed", "twin_gap_explained"})
FURTHEST = 1e9  # what a figure without a range of its own is held against
PASS, FAIL, NOT_AVAILABLE = "pass", "fail", "not_available"


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition on one figure of the evidence, for promotions to some stages."""

    name: str
    label: str
    figure: str
    operator: str
    threshold: float | bool
    stages: tuple[str, ...]
    mode: str = "off"


@dataclass(frozen=True, slots=True)
class Result:
    """What a gate came to; when ``blocks``, the proposal can't be approved."""

    name: str
    label: str
    operator: str
    threshold: float | bool
    value: float | bool | None
    mode: str
    status: str
    blocks: bool


DEFAULT_GATES = (
    Gate(
        "probe",
        "Look-ahead probe passed",
        "probe_passed",
        "is",
        threshold=True,
        stages=("paper", "live"),
        mode="on",
    ),
    Gate(
        "deflated_sharpe",
        "Deflated Sharpe",
        "deflated_sharpe",
        ">=",
        0.95,
        ("paper", "live"),
        "on",
    ),
    # One configuration alone has no overfitting to tell.
    Gate("pbo", "Probability of overfitting", "pbo", "<=", 0.2, ("paper", "live"), "if_available"),
    Gate("trades", "Closed trades", "trades", ">=", 30, ("paper", "live"), "on"),
    Gate("paper_days", "Days on paper", "paper_days", ">=", 20, ("live",), "on"),
    Gate(
        "twin_gap",
        "Gap to the twin explained",
        "twin_gap_explained",
        "is",
        threshold=True,
        stages=("live",),
    ),
)


def read_gates(rows: Sequence[Mapping[str, Any]]) -> tuple[Gate, ...]:
    """Return gates from their JSON. Raises ValueError naming the first wrong one."""
    gates = tuple(_read_gate(row) for row in rows)
    names = [gate.name for gate in gates]
    if len(set(names)) != len(names):
        message = "two gates have the same name"
        raise ValueError(message)
    return gates


def _read_gate(row: Mapping[str, Any]) -> Gate:
    try:
        gate = Gate(**{**row, "stages": tuple(row["stages"])})
    except (TypeError, KeyError) as error:
        wanted = ", ".join(Gate.__dataclass_fields__)
        message = f"a gate has the fields {wanted}; found {sorted(row)}"
        raise ValueError(message) from error
    if gate.operator not in OPERATORS or gate.mode not in MODES:
        message = f"gate {gate.name!r}: operator is one of {list(OPERATORS)}, mode one of {MODES}"
        raise ValueError(message)
    if isinstance(gate.threshold, bool) != (gate.operator == "is") or not _is_figure(
        gate.threshold
    ):
        message = f"gate {gate.name!r}: the threshold is a number, or true or false for 'is'"
        raise ValueError(message)
    return gate


def check_gates(gates: Sequence[Gate], figures: Collection[str]) -> None:
    """Raise ValueError naming the first gate that could never be held against evidence.

    Parameters
    ----------
    figures
        Names of further figures that evidence brings, beside ``FIGURES`` and ``TRUTHS``.
    """
    for gate in gates:
        if said := _what_is_odd(gate, figures):
            message = f"gate {gate.name!r}: {said}"
            raise ValueError(message)


def _what_is_odd(gate: Gate, figures: Collection[str]) -> str:
    known = {*FIGURES, *TRUTHS, *figures}
    if gate.figure not in known:
        return f"{gate.figure!r} is no figure of evidence; there are {', '.join(sorted(known))}"
    if (gate.figure in TRUTHS) != (gate.operator == "is"):
        right = "is" if gate.figure in TRUTHS else ">= or <="
        return f"{gate.figure} is held by {right}, not {gate.operator}"
    if not gate.stages or not set(gate.stages) <= set(STAGES[1:]):
        return f"its stages are some of {', '.join(STAGES[1:])}"
    low, high, _ = FIGURES.get(gate.figure, (-FURTHEST, FURTHEST, ""))
    if gate.operator != "is" and not low <= gate.threshold <= high:
        return (
            f"{gate.threshold!r} is not from {low:,.15g} to {high:,.15g}, where {gate.figure} lies"
        )
    return ""


def gates_as_json(gates: Sequence[Gate]) -> list[dict[str, Any]]:
    """Return gates as JSON."""
    return [{**asdict(gate), "stages": list(gate.stages)} for gate in gates]


def judge(gates: Sequence[Gate], stage: str, evidence: Mapping[str, Any]) -> list[Result]:
    """Return what each gate of the stage comes to on this evidence.

    A figure is looked for at the top of the evidence and under ``metrics``; what somebody only
    states (``stated``) is never read. NaN counts as missing.
    """
    return [
        _judge(gate, find_figure(evidence, gate.figure)) for gate in gates if stage in gate.stages
    ]


def find_figure(evidence: Mapping[str, Any], name: str) -> float | bool | None:
    """Return a figure of the evidence, None when it is missing or not finite."""
    metrics = evidence.get("metrics")
    for place in (evidence, metrics if isinstance(metrics, Mapping) else {}):
        value = place.get(name)
        if _is_figure(value):
            return value
    return None


def _is_figure(value: Any) -> bool:
    return isinstance(value, bool | int | float) and math.isfinite(value)


def _judge(gate: Gate, value: float | bool | None) -> Result:
    if value is None:
        status, blocks = NOT_AVAILABLE, gate.mode == "on"
    else:
        status = PASS if _holds(gate, value) else FAIL
        blocks = status == FAIL and gate.mode != "off"
    return Result(
        gate.name, gate.label, gate.operator, gate.threshold, value, gate.mode, status, blocks
    )


def _holds(gate: Gate, value: float | bool) -> bool:
    if gate.operator == ">=":
        return value >= gate.threshold
    if gate.operator == "<=":
        return value <= gate.threshold
    return value is gate.threshold
