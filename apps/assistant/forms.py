"""Fields and rows of the assistant's pages."""

from __future__ import annotations

from typing import Any

from apps.assistant.kernel.plan import RANGES, Plan
from apps.assistant.models import Hypothesis

LABELS = {
    "split": ("In-sample share", "", "Of the dates; the search sees nothing of the rest."),
    "share": ("Share on a side", "", "Of the instruments, held long, and short as well."),
    "rebalance_days": ("Rebalance every", "days", ""),
    "fee_bps": ("Fee", "bps", ""),
    "slippage_bps": ("Slippage", "bps", ""),
    "population": ("Population", "formulas", "Formulas per generation."),
    "generations": ("Generations", "", "More tries find more luck, too."),
    "candidates": ("List at most", "", "Candidates that are looked at out of sample."),
    "seed": ("Seed", "", "The same seed finds the same."),
}
FIGURES = (
    ("sharpe", "Sharpe, yearly", 2),
    ("cagr", "Growth a year", 4),
    ("volatility", "Volatility a year", 4),
    ("max_drawdown", "Deepest drawdown", 4),
    ("sortino", "Sortino, yearly", 2),
    ("ic", "Rank IC", 4),
    ("ic_t", "t of the rank IC", 2),
    ("turnover", "Turnover a year", 1),
)
BOUNDS = {"sharpe": "min_sharpe", "ic_t": "min_ic_t"}


def search_fields(universes: list[Any]) -> dict[str, Any]:
    """Return the fields of a search with the lab's defaults."""
    plan = Plan()
    numbers = [
        {
            "name": name,
            "label": label,
            "value": getattr(plan, name),
            "unit": unit,
            "min": f"{RANGES[name][1]:g}",
            "max": f"{RANGES[name][2]:g}",
            "step": "1" if RANGES[name][0] is int else "any",
            "help": words,
        }
        for name, (label, unit, words) in LABELS.items()
    ]
    return {
        "universes": [(u.name, f"{u.title} ({len(u.symbols)}, {u.timeframe})") for u in universes],
        "objectives": [("sharpe", "Sharpe after costs"), ("rank_ic", "t of the rank IC")],
        "main": numbers[:5],
        "more": numbers[5:],
        "criteria": [
            {
                "name": "min_sharpe",
                "label": "Sharpe at least",
                "value": plan.criteria["min_sharpe"],
            },
            {
                "name": "min_ic_t",
                "label": "t of rank IC at least",
                "value": plan.criteria["min_ic_t"],
            },
        ],
    }


def figure_rows(row: Hypothesis) -> list[dict[str, Any]]:
    """Return each figure in sample and out of sample beside its criterion."""
    return [
        {
            "label": label,
            "places": places,
            "early": row.in_sample.get(name),
            "late": row.out_of_sample.get(name),
            "bound": row.criteria.get(BOUNDS.get(name, "")),
        }
        for name, label, places in FIGURES
    ]
