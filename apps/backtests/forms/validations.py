"""What the pages of validations show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.backtests.forms.paths import path_headlines
from apps.backtests.kernel.trials import OBJECTIVES
from apps.backtests.kernel.validation.folds import MODES
from apps.backtests.kernel.validation.kinds import KINDS
from apps.backtests.models import Sweep


def validation_form(begun: Mapping[str, Any], sweeps: Iterable[Sweep]) -> dict[str, Any]:
    """Return the form of a new validation, begun from a sweep or a run, or from nothing."""
    return {
        "begun": begun,
        "space": "\n".join(_axis_line(name, one) for name, one in begun["space"].items())
        if begun
        else "",
        "sweeps": sweeps,
        "kinds": [(kind.name, kind.title) for kind in KINDS.values()],
        "modes": [(name, name) for name in MODES],
        "objectives": [(name, name.replace("_", " ")) for name in OBJECTIVES],
    }


def _axis_line(name: str, values: Any) -> str:
    """Return an axis as people write it: ``fast: 5, 10`` or ``fast: 5:50:5``."""
    if isinstance(values, Mapping):
        parts = [values["low"], values["high"], *filter(None, [values.get("step")])]
        return f"{name}: {':'.join(f'{part:g}' for part in parts)}"
    return f"{name}: {', '.join(str(value) for value in values)}"


def fold_cells(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the folds as rows of the table: parameters in the order of the columns."""
    names = list(detail["space"])
    return [
        {
            **fold,
            "cells": [fold["chosen"]["params"].get(name) for name in names],
            "train": fold.get("train"),
            "plateau": (fold.get("plateau") or {}).get("share"),
        }
        for fold in detail["result"].get("folds", ())
    ]


def walk_headlines(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tiles on top of a walk-forward's page."""
    result, worth = detail["result"], detail["significance"]
    lost = result["degradation"]
    flat = "the returns outside do not vary"
    return [
        _tile("Sharpe outside", result["sharpe"], flat, "over all test windows, per year"),
        _tile("Sharpe in training", lost["train_sharpe"], flat, "mean over folds of the chosen"),
        _tile(
            "Lost",
            _hundred(lost["lost"]),
            "the ratio in training is not positive",
            "1 less the ratio outside over the mean one in training",
            "%",
            0,
        ),
        _tile(
            "Efficiency",
            result["efficiency"],
            "the return in training is not positive",
            "yearly mean return outside over that in training (Pardo)",
        ),
        _tile(
            "Deflated Sharpe",
            worth.get("deflated_sharpe"),
            flat,
            "after all that was tried of the family",
            places=3,
        ),
    ]


def naive_headlines(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tiles of a demonstration, each of which says what it is."""
    result = detail["result"]
    says = "chosen on the bars it is judged on: no evidence"
    gain = _hundred(result["metrics"]["total_return"])
    tiles = [
        _tile("Sharpe claimed", result["sharpe"], "the returns do not vary", says),
        _tile("Return claimed", gain, "", says, "%"),
    ]
    return [{**tile, "note": "in sample"} for tile in tiles]


# By kind of validation, the tiles on top of its page.
HEADLINES = {
    "walk_forward": walk_headlines,
    "purged": path_headlines,
    "naive": naive_headlines,
}


def headlines(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tiles on top of a validation's page; none while it has no result."""
    made = HEADLINES.get(detail["kind"])
    return made(detail) if made and detail["result"] else []


def _tile(
    label: str, value: float | None, reason: str, source: str, unit: str = "", places: int = 2
) -> dict[str, Any]:
    names = ("label", "value", "reason", "source", "unit", "places")
    return dict(zip(names, (label, value, reason, source, unit, places), strict=True))


def _hundred(value: float | None) -> float | None:
    return None if value is None else 100.0 * value
