"""The tabs of a run's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.actors import Actor


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab; ``permission`` is what its reader must hold beyond reading."""

    label: str
    permission: str = ""


TABS: dict[str, Tab] = {
    "sheet": Tab("Sheet"),
    "trades": Tab("Trades"),
    "risk": Tab("Risk & factors"),
    "integrity": Tab("Integrity"),
    "doctor": Tab("Doctor"),
    "files": Tab("Files & links"),
    "propose": Tab("Propose…", "proposals.create"),
}


def run_tabs(asked: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """Return the tabs that a reader may open, and which is open: ``name`` and its ``template``.

    An address with a ``table`` and no tab is one of the trades, as those of older links are.
    """
    open_to = {
        name: tab for name, tab in TABS.items() if not tab.permission or actor.may(tab.permission)
    }
    name = str(asked.get("tab", "trades" if "table" in asked else "sheet"))
    name = name if name in open_to else "sheet"
    listed = [{"name": one, "label": tab.label} for one, tab in open_to.items()]
    return {"name": name, "template": f"backtests/run/_{name}.html", "all": listed}


def factor_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the exposures of a regression as rows; none when there is no regression."""
    if found["why_not"]:
        return []
    return [
        {
            "name": name,
            "words": found["words"].get(name, name),
            "share": found["attribution"][name]["variance_share"],
            **row,
        }
        for name, row in found["betas"].items()
    ]
