"""Writes of approvals: proposals, decisions, lapses, settings. Sends ``decided`` on commit."""

from apps.approvals.services.decisions import decide as decide
from apps.approvals.services.decisions import decided as decided
from apps.approvals.services.evidence import export_evidence as export_evidence
from apps.approvals.services.lapses import lapse_old as lapse_old
from apps.approvals.services.lapses import revoke as revoke
from apps.approvals.services.lapses import void_approval as void_approval
from apps.approvals.services.proposals import amend as amend
from apps.approvals.services.proposals import expire_old as expire_old
from apps.approvals.services.proposals import propose as propose
from apps.approvals.services.proposals import submit as submit
from apps.approvals.services.proposals import withdraw as withdraw
from apps.approvals.services.settings import attempt_setting as attempt_setting
from apps.approvals.services.settings import propose_setting as propose_setting
from apps.approvals.services.settings import roll_back_setting as roll_back_setting
from apps.approvals.services.settings import set_setting as set_setting
from apps.approvals.services.settings import store_agreed as store_agreed

__all__ = [
    "amend",
    "attempt_setting",
    "decide",
    "decided",
    "expire_old",
    "export_evidence",
    "lapse_old",
    "propose",
    "propose_setting",
    "revoke",
    "roll_back_setting",
    "set_setting",
    "store_agreed",
    "submit",
    "void_approval",
    "withdraw",
]
