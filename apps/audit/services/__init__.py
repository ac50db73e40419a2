"""Writes to the ledger: events by every app, the tree by one sequencer."""

from apps.audit.services.keys import Paths as Paths
from apps.audit.services.keys import change_key as change_key
from apps.audit.services.ledger import record as record
from apps.audit.services.sequencer import Sequencer as Sequencer
from apps.audit.services.sequencer import sequence as sequence

__all__ = ["Paths", "Sequencer", "change_key", "record", "sequence"]
