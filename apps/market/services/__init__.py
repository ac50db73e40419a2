"""Every write of market: sample, ingestion, uploads, universes, feeds, readers."""

from apps.market.services.feeds import (
    FeedBatch,
    advance_feed,
    ensure_demo_feeds,
    pause_feed,
    restart_feed,
    resume_feed,
)
from apps.market.services.ingests import retry_ingest, run_ingest, start_ingest
from apps.market.services.keys import (
    check_provider_key,
    delete_provider_key,
    save_provider_key,
)
from apps.market.services.readers import register_reader
from apps.market.services.revisions import note_revisions
from apps.market.services.sample import load_sample
from apps.market.services.universes import create_universe
from apps.market.services.uploads import Upload, preview_upload, upload_bars

__all__ = [
    "FeedBatch",
    "Upload",
    "advance_feed",
    "check_provider_key",
    "create_universe",
    "delete_provider_key",
    "ensure_demo_feeds",
    "load_sample",
    "note_revisions",
    "pause_feed",
    "preview_upload",
    "register_reader",
    "restart_feed",
    "resume_feed",
    "retry_ingest",
    "run_ingest",
    "save_provider_key",
    "start_ingest",
    "upload_bars",
]
