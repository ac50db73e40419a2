"""Tables of market. Bars and metrics themselves are plain SQL tables, see the store."""

from apps.market.models.catalog import (
    Action,
    Dataset,
    Instrument,
    Membership,
    Rename,
    Series,
    Universe,
)
from apps.market.models.checks import Acknowledged, Checkup
from apps.market.models.feeds import FeedSession
from apps.market.models.history import ActionHistory, MembershipHistory, RenameHistory
from apps.market.models.ingests import Batch, Flow, IngestRun, IngestTask, ProviderKey
from apps.market.models.live import LiveFeed
from apps.market.models.revisions import Quarantined, Reader, Revision
from apps.market.models.storage import Rollup, StorageStep

__all__ = [
    "Acknowledged",
    "Action",
    "ActionHistory",
    "Batch",
    "Checkup",
    "Dataset",
    "FeedSession",
    "Flow",
    "IngestRun",
    "IngestTask",
    "Instrument",
    "LiveFeed",
    "Membership",
    "MembershipHistory",
    "ProviderKey",
    "Quarantined",
    "Reader",
    "Rename",
    "RenameHistory",
    "Revision",
    "Rollup",
    "Series",
    "StorageStep",
    "Universe",
]
