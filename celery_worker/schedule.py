"""Every periodic job in one table: name, task, every how many seconds."""

from __future__ import annotations

PERIODIC = (
    ("sweep jobs", "core.sweep_jobs", 5.0, "io"),
    ("forget old answers and sessions", "core.forget_old", 3600.0, "io"),
    ("sample health", "ops.sample_health", 15.0, "io"),
    ("finish halts", "trading.finish_halts", 5.0, "trading"),
    ("start balancers that are due", "trading.run_balancers", 10.0, "trading"),
    ("watch emergency stops", "trading.watch_stops", 5.0, "trading"),
    ("run flows", "market.run_flows", 20.0, "io"),
    ("judge bars that changed", "market.recheck_due", 300.0, "io"),
    ("keep storage", "market.keep_storage", 120.0, "io"),
    ("end scans and tell of signals", "strategies.finish_scans", 5.0, "io"),
    ("mirror runs to MLflow", "backtests.mirror", 10.0, "io"),
    ("try to break out of the sandbox", "strategies.check_sandbox", 3600.0, "compute"),
    ("probe versions that nobody has probed", "strategies.probe_due", 10.0, "io"),
    ("start scans that are due", "strategies.run_schedules", 30.0, "io"),
    ("take deflated Sharpe ratios anew", "backtests.deflate", 60.0, "compute"),
    ("grade risk models once a night", "risk.grade_nightly", 600.0, "io"),
    ("write and mail risk reports once a night", "risk.report_nightly", 300.0, "io"),
    ("expire proposals and approvals", "approvals.expire", 30.0, "io"),
)

BEAT_SCHEDULE = {
    name: {"task": task, "schedule": seconds, "options": {"queue": queue, "expires": seconds}}
    for name, task, seconds, queue in PERIODIC
}
