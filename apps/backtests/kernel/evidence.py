"""What a run brings as evidence for its version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from apps.backtests.kernel.metrics import METRICS
from apps.core.kernel.hashing import canonical_json

# Of a study, beside the figures of the run.
COMPARED = (
    "sharpe",
    "sortino",
    "calmar",
    "cagr",
    "total_return",
    "volatility",
    "max_drawdown",
    "turnover",
    "trades",
)


# Of all that was tried of the run's family; gates read these.
SIGNIFICANCE = (
    "deflated_sharpe",
    "probabilistic_sharpe",
    "pbo",
    "effective_n",
    "benchmark_sharpe",
    "min_track_record",
    "months_needed",
)


def evidence_of(
    run: Mapping[str, Any], version_digest: str, trials: int, spent: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the evidence of a proposal: figures, parameters, digests, and how much was tried.

    ``spent`` are the figures of the family's holdouts, if it has any.
    """
    request, worth = run["request"], run["significance"] or {}
    return {
        **{name: worth[name] for name in SIGNIFICANCE if worth.get(name) is not None},
        **spent,
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
            **_origin(run.get("origin") or {}),
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


def _origin(origin: Mapping[str, Any]) -> dict[str, Any]:
    """Return the digests of the code and of what was installed, of a run that tells them."""
    names = {"code digest": "code", "environment digest": "environment"}
    return {words: origin[name] for words, name in names.items() if name in origin}


def _tail(losses: Mapping[str, Any]) -> dict[str, Any]:
    """Return VaR and ES by method and level, named in words."""
    found: dict[str, Any] = {}
    for key, entry in sorted(losses.items()):
        method, _, level = key.rpartition("_")
        found[f"VaR {level} %, {method}"] = entry.get("var")
        found[f"ES {level} %, {method}"] = entry.get("es")
    return found


def study_of(
    sweep: Mapping[str, Any],
    best: Mapping[str, Any],
    done: Iterable[Mapping[str, Any]],
    digest: str,
) -> dict[str, Any]:
    """Return a finished sweep as evidence: how much was tried, the best trial, the middle ones.

    ``best`` and ``done`` are trials with ``params`` and the figures compared; those of ``best``
    are all that would run, searched or not.
    """
    figures = list(done)
    return {
        "sweep": sweep["id"],
        "title": sweep["title"],
        "digest": digest,
        "data": sweep["data_digest"],
        "engine": sweep["engine_version"],
        "method": sweep["method"],
        "objective": sweep["objective"],
        "seed": sweep["seed"],
        "trials": sweep["trials"],
        "done": sweep["done"],
        "refused": sweep["refused"],
        "failed": sweep["failed"],
        "by": sweep["created_by"],
        "searched": sweep["space"],
        "best": {"number": best["number"], "parameters": best["params"], **_compared(best)},
        "median": {name: _median(figures, name) for name in COMPARED},
    }


def _compared(trial: Mapping[str, Any]) -> dict[str, Any]:
    return {name: trial[name] for name in COMPARED}


def _median(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    known = [float(row[name]) for row in rows if row[name] is not None]
    return median(known) if known else None


def study_content(sweep: Mapping[str, Any], trials: Iterable[Sequence[Any]]) -> bytes:
    """Return a sweep as the bytes its digest is the sha-256 of.

    A line of canonical JSON with what was asked, and one for each trial in its order: number,
    status, parameters, score and the digest of its result.
    """
    return b"\n".join((canonical_json(sweep), *(canonical_json(list(row)) for row in trials)))
