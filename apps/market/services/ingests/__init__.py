"""Ingestion: symbols of a provider into a dataset of the team, planned, resumable."""

from apps.market.services.ingests.repairing import repair_gaps
from apps.market.services.ingests.running import run_ingest
from apps.market.services.ingests.starting import (
    Prepared,
    begin_ingest,
    cancel_ingest,
    own_dataset,
    prepare_ingest,
    retry_ingest,
    start_ingest,
)

__all__ = [
    "Prepared",
    "begin_ingest",
    "cancel_ingest",
    "own_dataset",
    "prepare_ingest",
    "repair_gaps",
    "retry_ingest",
    "run_ingest",
    "start_ingest",
]
