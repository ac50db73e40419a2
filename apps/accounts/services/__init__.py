"""Every write about people, teams, roles, tokens and invitations."""

from apps.accounts.services.demo import create_demo_team
from apps.accounts.services.erasure import erase_person, erase_team
from apps.accounts.services.factors import reseal_second_factors, reset_factors
from apps.accounts.services.invitations import accept_invitation, invite, revoke_invitation
from apps.accounts.services.jobs import cancel_job
from apps.accounts.services.own_account import note_own_change
from apps.accounts.services.refusals import note_refusal
from apps.accounts.services.sessions import end_session
from apps.accounts.services.teams import (
    add_member,
    change_role,
    choose_team,
    create_admin,
    create_team,
    remove_member,
    set_active,
)
from apps.accounts.services.tokens import create_token, end_tokens, revoke_token

__all__ = [
    "accept_invitation",
    "add_member",
    "cancel_job",
    "change_role",
    "choose_team",
    "create_admin",
    "create_demo_team",
    "create_team",
    "create_token",
    "end_session",
    "end_tokens",
    "erase_person",
    "erase_team",
    "invite",
    "note_own_change",
    "note_refusal",
    "remove_member",
    "reseal_second_factors",
    "reset_factors",
    "revoke_invitation",
    "revoke_token",
    "set_active",
]
