"""Pages of research: runs, one run, sweeps, families."""

from apps.backtests.views.families import families, family
from apps.backtests.views.gauntlets import gauntlet
from apps.backtests.views.reshuffles import monte_carlo
from apps.backtests.views.run import part, run
from apps.backtests.views.runs import compare, new, parameters, runs, studies
from apps.backtests.views.sweeps import sweep, sweeps

__all__ = [
    "compare",
    "families",
    "family",
    "gauntlet",
    "monte_carlo",
    "new",
    "parameters",
    "part",
    "run",
    "runs",
    "studies",
    "sweep",
    "sweeps",
]
