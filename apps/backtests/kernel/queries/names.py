"""Names that a search may use, and what stands under them."""

from __future__ import annotations

from difflib import get_close_matches

from apps.backtests.kernel.metrics import METRICS
from apps.backtests.kernel.reports import RUN_METRICS

NUMBERS = {
    "sharpe": "sharpe",
    "cagr": "cagr",
    "total_return": "total_return",
    "return": "total_return",
    "max_drawdown": "max_drawdown",
    "drawdown": "max_drawdown",
    "equity": "equity_final",
    "equity_final": "equity_final",
    "trades": "trades",
    "dsr": "deflated_sharpe",
    "deflated_sharpe": "deflated_sharpe",
}
TEXTS = {
    "title": "title",
    "strategy": "strategy",
    "universe": "universe",
    "study": "study",
    "status": "status",
    "by": "by",
    "fill": "fill",
    "engine": "engine_version",
    "digest": "digest",
    "data_digest": "data_digest",
    "label": "labels",
}
TIMES = {"created": "created_at", "finished": "finished_at"}
FLAGS = ("archived", "locked")
# Of each the key follows a point.
ROOTS = ("metrics", "params", "tags")
# Of a digest the beginning is enough.
DIGESTS = ("digest", "data_digest")
# All figures by name, other than those with a column of their own.
FIGURES = tuple(sorted({*METRICS, *RUN_METRICS} - set(NUMBERS)))
COMPLETIONS = (*NUMBERS, *TEXTS, *TIMES, *FLAGS, *(f"metrics.{name}" for name in FIGURES))


def nearest(name: str) -> str:
    """Return how to go on after a name there is none of."""
    close = get_close_matches(name.lower(), COMPLETIONS, n=1)
    if close:
        return f"did you mean {close[0]}?"
    known = sorted({*NUMBERS, *TEXTS, *TIMES})
    return f"there are {', '.join(known)}, metrics.NAME, params.NAME and tags.NAME."
