"""REST operations of accounts: who calls, members, invitations, API tokens; and jobs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Status

from apps.accounts import backends, schemas, selectors, services
from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, Paging, page

router = Router(tags=["accounts"])
BY_ID = ("-created_at", "-id")


@router.get("/me", response=schemas.Me)
@permission("team.read")
def read_me(request: HttpRequest) -> Any:
    """Tell who calls, for which team, and what they may do."""
    actor = signed_in(request)
    team = selectors.get_team(actor.team)
    return {
        "user_id": actor.user_id,
        "label": actor.label,
        "role": actor.role,
        "team_id": team.id,
        "team": team.name,
        "base_currency": team.base_currency,
        "permissions": sorted(actor.permissions),
    }


@router.get("/members", response=Page[schemas.MemberOut])
@permission("team.read")
def list_members(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List the people of the team."""
    members = selectors.list_members(signed_in(request).team)
    return page(members, request, limit=paging.limit, order=("email", "user_id"))


@router.patch("/members/{user_id}", response={204: None})
@permission("people.manage")
def change_role(request: HttpRequest, user_id: int, body: schemas.RoleIn) -> Any:
    """Give a member another role."""
    actor, now = signed_in(request), clock.now()
    services.change_role(actor=actor, user_id=user_id, role=body.role, now=now)
    return Status(204, None)


@router.delete("/members/{user_id}", response={204: None})
@permission("people.manage")
def remove_member(request: HttpRequest, user_id: int) -> Any:
    """Take a person out of the team."""
    services.remove_member(actor=signed_in(request), user_id=user_id, now=clock.now())
    return Status(204, None)


@router.get("/invitations", response=Page[schemas.InvitationOut])
@permission("people.manage")
def list_invitations(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List the invitations that can still be accepted."""
    rows = selectors.list_open_invitations(signed_in(request).team, clock.now())
    return page(rows, request, limit=paging.limit, order=BY_ID)


@router.post("/invitations", response={201: schemas.InvitationMade})
@permission("people.manage")
def invite(request: HttpRequest, body: schemas.InvitationIn) -> Any:
    """Invite somebody by a link, shown this once."""
    actor, now = signed_in(request), clock.now()
    made, plain = services.invite(actor=actor, email=body.email, role=body.role, now=now)
    shown = schemas.InvitationOut.from_orm(made).dict()
    return Status(201, {**shown, "link": backends.invitation_link(plain)})


@router.delete("/invitations/{invitation_id}", response={204: None})
@permission("people.manage")
def revoke_invitation(request: HttpRequest, invitation_id: int) -> Any:
    """Make the link of an invitation useless."""
    actor, now = signed_in(request), clock.now()
    services.revoke_invitation(actor=actor, invitation_id=invitation_id, now=now)
    return Status(204, None)


@router.get("/tokens", response=Page[schemas.TokenOut])
@permission("team.read")
def list_tokens(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List one's own API tokens in the team; administrators see everybody's."""
    actor = signed_in(request)
    owner = None if actor.may("people.manage") else actor.user_id
    return page(selectors.list_tokens(actor.team, owner), request, limit=paging.limit, order=BY_ID)


@router.post("/tokens", response={201: schemas.TokenMade})
@permission("team.read")
def create_token(request: HttpRequest, body: schemas.TokenIn) -> Any:
    """Make an API token; its plain text is in this answer and never again."""
    actor, now = signed_in(request), clock.now()
    token, plain = services.create_token(actor=actor, now=now, **body.dict())
    return Status(201, {**schemas.TokenOut.from_orm(token).dict(), "token": plain})


@router.delete("/tokens/{token_id}", response={204: None})
@permission("team.read")
def revoke_token(request: HttpRequest, token_id: int) -> Any:
    """End an API token."""
    services.revoke_token(actor=signed_in(request), token_id=token_id, now=clock.now())
    return Status(204, None)


@router.get("/jobs", response=Page[schemas.JobOut], tags=["jobs"])
@permission("team.read")
def list_jobs(
    request: HttpRequest,
    paging: Query[Paging],
    status: str = "",
    kind: str = "",
    open: bool = False,  # noqa: A002 the name clients use
) -> Any:
    """List the team's long work, newest first; ``open`` leaves out what is over."""
    now, team_id = clock.now(), signed_in(request).team
    rows = selectors.list_jobs(team_id, status=status, kind=kind, open_only=open)
    return page(rows, request, limit=paging.limit, order=BY_ID, row=lambda j: jobs.as_dict(j, now))


@router.get("/jobs/{job_id}", response=schemas.JobOut, tags=["jobs"])
@permission("team.read")
def read_job(request: HttpRequest, job_id: UUID) -> Any:
    """Tell how far a job is and how it ended."""
    return jobs.as_dict(selectors.get_job(job_id, signed_in(request).team), clock.now())


@router.post("/jobs/{job_id}/cancel", response={202: schemas.JobOut}, tags=["jobs"])
@permission("team.read")
def cancel_job(request: HttpRequest, job_id: UUID) -> Any:
    """Ask a job to stop; its starter may, and who runs the lab."""
    now = clock.now()
    job = services.cancel_job(actor=signed_in(request), job_id=str(job_id), now=now)
    return Status(202, jobs.as_dict(job, now))
