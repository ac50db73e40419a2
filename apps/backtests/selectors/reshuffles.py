"""Monte Carlo over the trades and bars of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
from django.core.cache import cache
from numpy.typing import NDArray

from apps.backtests.kernel.curves import returns_of
from apps.backtests.kernel.engine import ENGINE_VERSION
from apps.backtests.kernel.integrity.reshuffles import (
    METHODS,
    check_paths,
    reshuffle,
    seed_of,
    summary,
    trade_steps,
)
from apps.backtests.models import Run
from apps.backtests.selectors.results import curves_of, table_of

Floats = NDArray[np.float64]
KEEP_SECONDS = 24 * 3600


def reshuffled(run: Run, *, method: str = "bars", n: int | None = None) -> dict[str, Any]:
    """Return what a finished run may have come to: drawdowns, growth, their probabilities.

    The same run gives the same figures wherever they are computed. Raises ``Invalid`` for an
    unknown method, or too few trades or bars for it.
    """
    key = f"backtests.reshuffled.1.{ENGINE_VERSION}.{run.pk}.{run.digest}.{method[:10]}.{n}"
    found = cache.get(key) if method in METHODS else None
    if not isinstance(found, dict):
        found = _reshuffled(run, method, n)
        cache.set(key, found, KEEP_SECONDS)
    return found


def _reshuffled(run: Run, method: str, n: int | None) -> dict[str, Any]:
    start = float(run.request["cash"])
    _, curves = curves_of(run)
    returns = returns_of(curves["equity"], start)
    check_paths(method, n, max(len(returns), 1) if method == "bars" else int(run.trades or 0))
    steps = returns[np.isfinite(returns)] if method == "bars" else _steps(run, start)
    paths = reshuffle(steps, method, n, seed_of(run.digest, method))
    years = len(returns) / float(run.result["periods_per_year"])
    return {**summary(paths, steps, years=years, start=start), "run": str(run.pk)}


def _steps(run: Run, start: float) -> Floats:
    """Return round trips as steps, in the order they ended; open ones at the last close."""
    table = table_of(run, "trades")
    order = np.argsort(table["exit_ts"], kind="stable")
    return trade_steps(table["pnl"][order], start)
