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
from apps.market.models.ingests import Batch, Flow, IngestRun, IngestTask, ProviderKey
from apps.market.models.live import LiveFeed
from apps.market.models.revisions import Quarantined, Reader, Revision

__all__ = [
    "Acknowledged",
    "Action",
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
    "ProviderKey",
    "Quarantined",
    "Reader",
    "Rename",
    "Revision",
    "Series",
    "Universe",
]
