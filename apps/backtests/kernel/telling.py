"""A run in the words of a tracking server: names and texts, numbers, tags."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

WORTH = ("deflated_sharpe", "probabilistic_sharpe", "pbo", "effective_n", "months_needed")
OWN = ("equity_final", "trades", "bars")
ASKED = (
    "universe",
    "instruments",
    "timeframe",
    "start",
    "end",
    "as_of",
    "price_mode",
    "fill",
    "units",
    "cash",
    "currency",
    "benchmark",
    "seed",
)


def params_of(run: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters and terms of a run by name, as texts."""
    asked = run["request"]
    named = {**run["params"], **{f"request/{name}": asked.get(name) for name in ASKED}}
    named |= {f"costs/{name}": value for name, value in asked.get("costs", {}).items()}
    for part in ("execution", "limits"):
        named |= {f"{part}/{name}": value for name, value in (asked.get(part) or {}).items()}
    return {name: _text(value) for name, value in named.items() if value not in (None, "", [])}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def metrics_of(run: Mapping[str, Any]) -> dict[str, float]:
    """Return every figure of a run that is a number, with what it is worth after all trials."""
    worth = run["significance"] or {}
    found = {
        **run["metrics"],
        **{name: run[name] for name in OWN},
        **{name: worth.get(name) for name in WORTH},
    }
    numbers = {name: value for name, value in found.items() if isinstance(value, int | float)}
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}


def tags_of(run: Mapping[str, Any], link: str) -> dict[str, str]:
    """Return what a run is known by: digests, family, who, and the way back to the lab."""
    origin, family = run["origin"], (run["significance"] or {}).get("family") or {}
    tags = {
        "mlflow.note.content": f"[{run['title']}]({link}) in Quantsite. {run['survivorship']}",
        "mlflow.user": run["created_by"],
        "mlflow.source.name": run["strategy"],
        "mlflow.source.type": "PROJECT",
        "quantsite.link": link,
        "quantsite.strategy": run["strategy"],
        "quantsite.version": str(run["version_id"]),
        "quantsite.digest": run["digest"],
        "quantsite.data_digest": run["data_digest"],
        "quantsite.engine": run["engine_version"],
        "quantsite.code": origin.get("code", ""),
        "quantsite.environment": origin.get("environment", ""),
        "quantsite.family": str(family.get("name", "")),
        "quantsite.trials": str((run["significance"] or {}).get("trials", "")),
        "quantsite.labels": ", ".join(run["labels"]),
        "quantsite.sample": "in sample",
    }
    return {name: value for name, value in tags.items() if value}
