"""What the page of a combinatorial cross-validation shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FLAT = "the returns of the paths do not vary"


def path_headlines(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tiles on top of the page."""
    result, worth = detail["result"], detail["significance"]
    spread, trials = result["path_sharpes"], result["trials"]
    luck = f"luck's best of {trials['effective_n']:.1f} effective trials"
    return [
        _tile("Sharpe of the paths", spread["mean"], FLAT, "mean over all paths, per year"),
        _tile(
            "Standard deviation",
            spread["sd"],
            "there is one path",
            "of the paths' Sharpe ratios; paths share bars, so it is not the error of the mean",
        ),
        _tile("Paths at 0 or below", 100.0 * spread["below_zero"], "", "share of all", "%", 1),
        _tile(
            "Paths below luck",
            100.0 * spread["below_benchmark"],
            "",
            f"share of paths at or below {spread['benchmark']:.2f}, {luck}",
            "%",
            1,
        ),
        _tile(
            "Overfitting",
            result["pbo"],
            "no split made a choice",
            "share of splits whose choice was no better in the tests than the middle of all",
        ),
        _tile(
            "Deflated Sharpe",
            worth.get("deflated_sharpe"),
            FLAT,
            "of the path in the middle, after all that was tried of the family",
            places=3,
        ),
        _tile(
            "Sharpe in training",
            result["degradation"]["train_sharpe"],
            FLAT,
            "mean over splits of what was chosen",
        ),
    ]


def _tile(
    label: str, value: float | None, reason: str, source: str, unit: str = "", places: int = 2
) -> dict[str, Any]:
    names = ("label", "value", "reason", "source", "unit", "places")
    return dict(zip(names, (label, value, reason, source, unit, places), strict=True))
