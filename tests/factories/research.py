"""Finished runs for tests that need one without computing it."""

import numpy as np

WHY = "It held out of sample and survives the costs."


def make_probe(team, now, version, verdict="passed"):
    """A look-ahead probe of a version that is over, as the worker leaves it."""
    from apps.strategies.models import Probe

    return Probe.objects.create(
        team_id=team.pk, version_id=version.id, verdict=verdict, digest="c" * 64,
        report={"copies": 40, "bars": 400, "verdict": verdict}, created_by="system:probe",
        created_at=now, finished_at=now,
    )  # fmt: skip


def make_run(team, now, version, *, author=None, done=True, probed=True, **changes):
    """A run of a version with figures, as the worker leaves it; the version passed its probe."""
    from apps.backtests.models import Run

    if probed:
        make_probe(team, now, version)
    request = {"universe": "sp500-sample", "instruments": [], "costs": {}, "finalize": False}
    request["costs"] = {"fee_bps": 5.0, "slippage_bps": 5.0}
    result = {
        "metrics": {"sharpe": 1.4, "max_drawdown": 0.2},
        "trade_figures": {"closed": 120, "count": 125},
        "benchmark": {"label": "SPY", "metrics": {}},
        "tail_losses": {"historical_95": {"var": 0.02, "es": 0.03}},
        "bars": 2500,
        "first": "2010-01-04",
        "last": "2019-12-31",
    }
    fields = {
        "version_id": version.id,
        "title": version.label,
        "strategy": version.name,
        "params": version.params,
        "request": request,
        "fill": "next_open",
        "result": result,
        "digest": "d" * 64,
        "data_digest": "e" * 64,
        "engine_version": "1",
        "created_by": author or "user:0",
        "created_at": now,
        "finished_at": now if done else None,
    }
    run = Run.objects.create(team_id=team.pk, **{**fields, **changes})
    if probed and done:
        _keep_returns(run)
    return run


def _keep_returns(run):
    """Returns of a skill that stands above luck: 1,000 days at a Sharpe ratio near 4 a year."""
    from apps.backtests.kernel.integrity.streams import compact
    from apps.backtests.services.trials import keep_streams

    returns = 0.0025 + 0.01 * np.sin(np.arange(1000.0))
    stream = compact(returns, np.arange(1000, dtype=np.int64))
    keep_streams(run.team_id, [(f"run:{run.pk}", stream, 252.0)])
