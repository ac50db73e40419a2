"""What a run brings as evidence for its version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.backtests.kernel.metrics import METRICS


def evidence_of(run: Mapping[str, Any], version_digest: str, trials: int) -> dict[str, Any]:
    """Return the evidence of a proposal: figures, parameters, digests, and how many trials."""
    request = run["request"]
    return {
        "metrics": {k: v for k, v in run["metrics"].items() if v is not None},
        "names": {k: METRICS[k].title for k in run["metrics"] if k in METRICS},
        "parameters": run["params"],
        "trades": run["trade_figures"]["closed"],
        "trials": trials,
        "facts": {
            "run": run["id"],
            "run digest": run["digest"],
            "data digest": run["data_digest"],
            "version digest": version_digest,
            "engine": run["engine_version"],
            "instruments": request["universe"] or ", ".join(request["instruments"][:20]),
            "bars": run["bars"],
            "from": run["first"],
            "to": run["last"],
            "sample": "in sample: the same dates that were searched",
            "fill": run["fill_says"],
            "fee, bps": request["costs"]["fee_bps"],
            "slippage, bps": request["costs"]["slippage_bps"],
            "price mode": run["price_mode"],
            "survivorship": run["survivorship"],
            "benchmark": run["benchmark"]["label"],
            "runs of this strategy so far": trials,
            "closed trades": run["trade_figures"]["closed"],
        },
        "losses in the tail": _tail(run["tail_losses"]),
        "links": [{"label": "Tear sheet", "href": f"/research/{run['id']}/"}],
    }


def _tail(losses: Mapping[str, Any]) -> dict[str, Any]:
    """Return VaR and ES by method and level, named in words."""
    found: dict[str, Any] = {}
    for key, entry in sorted(losses.items()):
        method, _, level = key.rpartition("_")
        found[f"VaR {level} %, {method}"] = entry.get("var")
        found[f"ES {level} %, {method}"] = entry.get("es")
    return found
