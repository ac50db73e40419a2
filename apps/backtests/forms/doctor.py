"""The doctor's findings as a page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TONES = {
    "critical": "bad",
    "warning": "person",
    "note": "busy",
    "ok": "ok",
    "not_applicable": "idle",
}
NAMES = {
    "critical": "critical",
    "warning": "warnings",
    "note": "notes",
    "ok": "in order",
    "not_applicable": "do not apply",
}
# Open at once; the rest is in order or says nothing, and is unfolded when it is asked for.
SHOWN_FIRST = ("critical", "warning", "note")


def doctor_page(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return findings in groups of severity, and the filters above them."""
    asked = found["severity"]
    groups = [
        {
            "severity": severity,
            "name": NAMES[severity],
            "tone": TONES[severity],
            "items": [row for row in found["items"] if row["severity"] == severity],
            "is_open": severity in SHOWN_FIRST or severity == asked,
        }
        for severity in TONES
    ]
    filters = [
        {"severity": severity, "name": name, "count": found["counts"][severity]}
        for severity, name in NAMES.items()
    ]
    return {
        "doctor": found,
        "asked": asked,
        "filters": filters,
        "groups": [group for group in groups if group["items"]],
        "total": sum(found["counts"].values()),
    }
