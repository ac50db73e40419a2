"""Tables of backtests."""

from apps.backtests.models.runs import Artifact, Rerun, Run, Study, Sweep, SweepChunk, Trial

__all__ = ["Artifact", "Rerun", "Run", "Study", "Sweep", "SweepChunk", "Trial"]
