"""Tables of backtests."""

from apps.backtests.models.gauntlets import Gauntlet
from apps.backtests.models.marks import Deflation, EvidenceLock, Note, SavedView
from apps.backtests.models.runs import Artifact, Rerun, Run, Study, Sweep, SweepChunk, Trial
from apps.backtests.models.shares import ShareLink, ShareView
from apps.backtests.models.tracking import Attribution, Content, Mirror, RunFile
from apps.backtests.models.trials import Family, Holdout, HoldoutLook, TrialEntry, TrialStream
from apps.backtests.models.validations import Validation, ValidationFold

__all__ = [
    "Artifact",
    "Attribution",
    "Content",
    "Deflation",
    "EvidenceLock",
    "Family",
    "Gauntlet",
    "Holdout",
    "HoldoutLook",
    "Mirror",
    "Note",
    "Rerun",
    "Run",
    "RunFile",
    "SavedView",
    "ShareLink",
    "ShareView",
    "Study",
    "Sweep",
    "SweepChunk",
    "Trial",
    "TrialEntry",
    "TrialStream",
    "Validation",
    "ValidationFold",
]
