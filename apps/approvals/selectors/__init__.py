"""Questions about agreement: proposals, who waits for whom, approvals in force, settings."""

from apps.approvals.selectors.policies import dry_run as dry_run
from apps.approvals.selectors.policies import known_figures as known_figures
from apps.approvals.selectors.policies import policies_page as policies_page
from apps.approvals.selectors.proposals import Ability as Ability
from apps.approvals.selectors.proposals import ApprovalView as ApprovalView
from apps.approvals.selectors.proposals import ability as ability
from apps.approvals.selectors.proposals import approval_view as approval_view
from apps.approvals.selectors.proposals import blocking_gates as blocking_gates
from apps.approvals.selectors.proposals import count_waiting as count_waiting
from apps.approvals.selectors.proposals import find_approval as find_approval
from apps.approvals.selectors.proposals import find_proposals as find_proposals
from apps.approvals.selectors.proposals import force_of as force_of
from apps.approvals.selectors.proposals import get_approval as get_approval
from apps.approvals.selectors.proposals import get_proposal as get_proposal
from apps.approvals.selectors.proposals import list_approvals as list_approvals
from apps.approvals.selectors.proposals import list_decisions as list_decisions
from apps.approvals.selectors.proposals import list_in_force as list_in_force
from apps.approvals.selectors.proposals import list_proposals as list_proposals
from apps.approvals.selectors.proposals import list_waiting as list_waiting
from apps.approvals.selectors.proposals import open_subjects as open_subjects
from apps.approvals.selectors.proposals import pick_proposal as pick_proposal
from apps.approvals.selectors.proposals import slots_of as slots_of
from apps.approvals.selectors.proposals import still_needed as still_needed
from apps.approvals.selectors.proposals import votes_of as votes_of
from apps.approvals.selectors.reading import Step as Step
from apps.approvals.selectors.reading import arrange_evidence as arrange_evidence
from apps.approvals.selectors.reading import labels_of as labels_of
from apps.approvals.selectors.reading import page_of as page_of
from apps.approvals.selectors.reading import timeline as timeline
from apps.approvals.selectors.settings import SettingView as SettingView
from apps.approvals.selectors.settings import change_page as change_page
from apps.approvals.selectors.settings import fields_of as fields_of
from apps.approvals.selectors.settings import get_setting as get_setting
from apps.approvals.selectors.settings import get_setting_view as get_setting_view
from apps.approvals.selectors.settings import get_spec as get_spec
from apps.approvals.selectors.settings import list_changeable as list_changeable
from apps.approvals.selectors.settings import list_recent_versions as list_recent_versions
from apps.approvals.selectors.settings import list_setting_versions as list_setting_versions
from apps.approvals.selectors.settings import list_settings as list_settings
from apps.approvals.selectors.signing import Decider as Decider
from apps.approvals.selectors.signing import SigningView as SigningView
from apps.approvals.selectors.signing import accepted_signatures as accepted_signatures
from apps.approvals.selectors.signing import content_of as content_of
from apps.approvals.selectors.signing import deciders_of as deciders_of
from apps.approvals.selectors.signing import digest_of as digest_of
from apps.approvals.selectors.signing import parts_of as parts_of
from apps.approvals.selectors.signing import signing_of as signing_of

__all__ = [
    "Ability",
    "ApprovalView",
    "Decider",
    "SettingView",
    "SigningView",
    "Step",
    "ability",
    "accepted_signatures",
    "approval_view",
    "arrange_evidence",
    "blocking_gates",
    "change_page",
    "content_of",
    "count_waiting",
    "deciders_of",
    "digest_of",
    "dry_run",
    "find_approval",
    "find_proposals",
    "force_of",
    "get_approval",
    "get_proposal",
    "get_setting",
    "get_setting_view",
    "get_spec",
    "known_figures",
    "labels_of",
    "list_approvals",
    "list_changeable",
    "list_decisions",
    "list_in_force",
    "list_proposals",
    "list_recent_versions",
    "list_setting_versions",
    "list_settings",
    "list_waiting",
    "page_of",
    "parts_of",
    "pick_proposal",
    "policies_page",
    "signing_of",
    "slots_of",
    "still_needed",
    "timeline",
    "votes_of",
]
