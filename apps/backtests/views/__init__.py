"""Pages of research: runs, one run, sweeps, families."""

from apps.backtests.views.comparisons import compare
from apps.backtests.views.doctor import doctor
from apps.backtests.views.families import families, family
from apps.backtests.views.gauntlets import gauntlet
from apps.backtests.views.reshuffles import monte_carlo
from apps.backtests.views.run import part, run
from apps.backtests.views.runs import new, parameters, runs, studies, study
from apps.backtests.views.shares import shared
from apps.backtests.views.sweeps import sweep, sweeps
from apps.backtests.views.validations import validation, validations

__all__ = [
    "compare",
    "doctor",
    "families",
    "family",
    "gauntlet",
    "monte_carlo",
    "new",
    "parameters",
    "part",
    "run",
    "runs",
    "shared",
    "studies",
    "study",
    "sweep",
    "sweeps",
    "validation",
    "validations",
]
