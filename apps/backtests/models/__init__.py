"""Tables of backtests."""

from apps.backtests.models.gauntlets import Gauntlet
from apps.backtests.models.runs import Artifact, Rerun, Run, Study, Sweep, SweepChunk, Trial
from apps.backtests.models.tracking import Attribution, Content, Mirror, RunFile
from apps.backtests.models.trials import Family, Holdout, HoldoutLook, TrialEntry, TrialStream
from apps.backtests.models.validations import Validation, ValidationFold

__all__ = [
    "Artifact",
    "Attribution",
    "Content",
    "Family",
    "Gauntlet",
    "Holdout",
    "HoldoutLook",
    "Mirror",
    "Rerun",
    "Run",
    "RunFile",
    "Study",
    "Sweep",
    "SweepChunk",
    "Trial",
    "TrialEntry",
    "TrialStream",
    "Validation",
    "ValidationFold",
]
