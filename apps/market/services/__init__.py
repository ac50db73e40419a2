"""Every write of market: sample, ingestion, uploads, universes, feeds, readers."""

from apps.market.services.feeds import (
    FeedBatch,
    advance_feed,
    ensure_demo_feeds,
    pause_feed,
    restart_feed,
    resume_feed,
)
from apps.market.services.flows import (
    create_flow,
    delete_flow,
    run_flow,
    run_flows,
    switch_flow,
)
from apps.market.services.health import (
    acknowledge,
    check_up,
    recheck_due,
    run_recheck,
    start_recheck,
)
from apps.market.services.ingests import (
    cancel_ingest,
    repair_gaps,
    retry_ingest,
    run_ingest,
    start_ingest,
)
from apps.market.services.judging import recheck
from apps.market.services.keys import (
    check_provider_key,
    delete_provider_key,
    reseal_provider_keys,
    save_provider_key,
)
from apps.market.services.live import (
    LiveFeeds,
    create_live_feed,
    delete_live_feed,
    start_live_feed,
    stop_live_feed,
)
from apps.market.services.memberships import ask_for_members, run_members
from apps.market.services.quarantine import drop, drop_all, keep_out, release, withdraw
from apps.market.services.readers import Reading, go_on_reading, reads_of, register_reader
from apps.market.services.revisions import note_revisions
from apps.market.services.sample import load_sample
from apps.market.services.universes import create_universe
from apps.market.services.uploads import Upload, preview_upload, run_upload, store_upload
from apps.market.services.withdrawals import withdraw_actions

__all__ = [
    "FeedBatch",
    "LiveFeeds",
    "Reading",
    "Upload",
    "acknowledge",
    "advance_feed",
    "ask_for_members",
    "cancel_ingest",
    "check_provider_key",
    "check_up",
    "create_flow",
    "create_live_feed",
    "create_universe",
    "delete_flow",
    "delete_live_feed",
    "delete_provider_key",
    "drop",
    "drop_all",
    "ensure_demo_feeds",
    "go_on_reading",
    "keep_out",
    "load_sample",
    "note_revisions",
    "pause_feed",
    "preview_upload",
    "reads_of",
    "recheck",
    "recheck_due",
    "register_reader",
    "release",
    "repair_gaps",
    "reseal_provider_keys",
    "restart_feed",
    "resume_feed",
    "retry_ingest",
    "run_flow",
    "run_flows",
    "run_ingest",
    "run_members",
    "run_recheck",
    "run_upload",
    "save_provider_key",
    "start_ingest",
    "start_live_feed",
    "start_recheck",
    "stop_live_feed",
    "store_upload",
    "switch_flow",
    "withdraw",
    "withdraw_actions",
]
