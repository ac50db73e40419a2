"""Which alerts to raise and which to end: a pure decision over states of health."""

from __future__ import annotations

from dataclasses import dataclass

from apps.ops.kernel.health import State

SEVERITY = {"down": "critical", "degraded": "warning"}


@dataclass(frozen=True, slots=True)
class Raise:
    """Raise an alert under ``key``."""

    key: str
    severity: str
    title: str
    advice: str


@dataclass(frozen=True, slots=True)
class End:
    """End the open alert under ``key``: its cause is gone."""

    key: str


def decide_alerts(
    states: list[State], open_keys: frozenset[str], *, before: dict[str, str]
) -> list[Raise | End]:
    """Return what to do: raise on the second bad sample in a row, end on the first good one.

    ``before`` maps subsystem to its status in the previous sample, so that one hiccup is silent.
    """
    intents: list[Raise | End] = []
    for state in states:
        key = f"health.{state.name}"
        bad = state.status in SEVERITY
        if bad and key not in open_keys and before.get(state.name) in SEVERITY:
            title = f"{state.name} is {state.status}: {state.summary}"
            intents.append(Raise(key, SEVERITY[state.status], title, state.advice))
        elif state.status == "ok" and key in open_keys:
            intents.append(End(key))
    return intents
