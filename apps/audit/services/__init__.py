"""Writes to the ledger: events by every app, the tree by one sequencer."""

from apps.audit.services.ledger import record as record
from apps.audit.services.sequencer import Paths as Paths
from apps.audit.services.sequencer import Sequencer as Sequencer
from apps.audit.services.sequencer import sequence as sequence

__all__ = ["Paths", "Sequencer", "record", "sequence"]
