"""Questions about the ledger: the trail, an event's proof, the newest head, the whole."""

from apps.audit.selectors.kept import Rollback as Rollback
from apps.audit.selectors.kept import find_rollback as find_rollback
from apps.audit.selectors.proofs import HeadView as HeadView
from apps.audit.selectors.proofs import Proof as Proof
from apps.audit.selectors.proofs import check_event as check_event
from apps.audit.selectors.proofs import get_consistency as get_consistency
from apps.audit.selectors.proofs import get_proof as get_proof
from apps.audit.selectors.proofs import get_proofs as get_proofs
from apps.audit.selectors.proofs import head as head
from apps.audit.selectors.proofs import heads_over as heads_over
from apps.audit.selectors.proofs import key_ring as key_ring
from apps.audit.selectors.proofs import lag_seconds as lag_seconds
from apps.audit.selectors.proofs import public_key_line as public_key_line
from apps.audit.selectors.proofs import public_keys_text as public_keys_text
from apps.audit.selectors.trail import NEWEST as NEWEST
from apps.audit.selectors.trail import actor_labels as actor_labels
from apps.audit.selectors.trail import find_leaves as find_leaves
from apps.audit.selectors.trail import get_event as get_event
from apps.audit.selectors.trail import last_drill as last_drill
from apps.audit.selectors.trail import leaf_data_of as leaf_data_of
from apps.audit.selectors.trail import leaf_of as leaf_of
from apps.audit.selectors.trail import list_actions as list_actions
from apps.audit.selectors.trail import list_events as list_events
from apps.audit.selectors.trail import pretty as pretty
from apps.audit.selectors.whole import read_witness as read_witness
from apps.audit.selectors.whole import verify_ledger as verify_ledger
