"""Writes of approvals: proposals and decisions, settings. Sends ``decided`` on commit."""

from apps.approvals.services.decisions import decide as decide
from apps.approvals.services.decisions import decided as decided
from apps.approvals.services.proposals import expire_old as expire_old
from apps.approvals.services.proposals import propose as propose
from apps.approvals.services.proposals import submit as submit
from apps.approvals.services.proposals import withdraw as withdraw
from apps.approvals.services.settings import roll_back_setting as roll_back_setting
from apps.approvals.services.settings import set_setting as set_setting

__all__ = [
    "decide",
    "decided",
    "expire_old",
    "propose",
    "roll_back_setting",
    "set_setting",
    "submit",
    "withdraw",
]
