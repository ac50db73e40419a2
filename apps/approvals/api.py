"""REST operations of approvals: proposals and decisions, settings."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from apps.approvals import schemas, selectors, services
from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, Paging, page

router = Router(tags=["approvals"])


@router.post("/proposals", response={201: schemas.ProposalDetail})
@permission("proposals.create")
def propose(request: HttpRequest, body: schemas.ProposalIn) -> Any:
    """Propose something; a promotion's figures are copied from the run named, and frozen."""
    actor, now = signed_in(request), clock.now()
    proposal = services.submit(actor=actor, now=now, **body.arguments())
    return Status(201, schemas.proposal_detail(proposal, actor, now))


@router.get("/proposals", response=Page[schemas.ProposalOut])
@permission("team.read")
def list_proposals(
    request: HttpRequest, asked: Query[schemas.ProposalFilter], paging: Query[Paging]
) -> Any:
    """List the team's proposals, newest first."""
    rows = selectors.find_proposals(signed_in(request), now=clock.now(), **asked.dict())
    return page(rows, request, limit=paging.limit, row=schemas.proposal_row)


@router.get("/proposals/{uuid:proposal_id}", response=schemas.ProposalDetail)
@permission("team.read")
def read_proposal(request: HttpRequest, proposal_id: UUID) -> Any:
    """Return a proposal with evidence, gates and decisions."""
    actor = signed_in(request)
    proposal = selectors.get_proposal(proposal_id, actor.team)
    return schemas.proposal_detail(proposal, actor, clock.now())


@router.get("/proposals/{uuid:proposal_id}/evidence")
@permission("audit.export")
def read_evidence(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Return the evidence pack, a zip that tools/verify_evidence.py checks without the lab."""
    proposal = selectors.get_proposal(proposal_id, signed_in(request).team)
    answer = HttpResponse(selectors.evidence_pack(proposal), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="evidence-{proposal_id}.zip"'
    return answer


@router.post("/proposals/{uuid:proposal_id}/decisions", response={201: schemas.ProposalDetail})
@permission("team.read")
def decide(request: HttpRequest, proposal_id: UUID, body: schemas.DecisionIn) -> Any:
    """Approve or reject a proposal, bound to the digest that was read."""
    actor, now = signed_in(request), clock.now()
    services.decide(actor=actor, proposal_id=proposal_id, now=now, **body.dict())
    proposal = selectors.get_proposal(proposal_id, actor.team)
    return Status(201, schemas.proposal_detail(proposal, actor, now))


@router.post("/proposals/{uuid:proposal_id}/withdraw", response=schemas.ProposalDetail)
@permission("proposals.create")
def withdraw(request: HttpRequest, proposal_id: UUID, body: schemas.WithdrawIn) -> Any:
    """Take one's own open proposal back."""
    actor, now = signed_in(request), clock.now()
    services.withdraw(actor=actor, proposal_id=proposal_id, reason=body.reason, now=now)
    proposal = selectors.get_proposal(proposal_id, actor.team)
    return schemas.proposal_detail(proposal, actor, now)


@router.get("/settings", response=Page[schemas.SettingOut])
@permission("team.read")
def list_settings(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List the settings that can be changed at run time, as they hold now."""
    rows = selectors.list_settings(signed_in(request).team)
    return page(rows, request, limit=paging.limit, order=("key",))


@router.get("/settings/{key}", response=schemas.SettingOut)
@permission("team.read")
def read_setting(request: HttpRequest, key: str) -> Any:
    """Return a setting as it holds now."""
    return selectors.get_setting_view(signed_in(request).team, key)


@router.get("/settings/{key}/versions", response=Page[schemas.SettingVersionOut])
@permission("team.read")
def list_setting_versions(request: HttpRequest, key: str, paging: Query[Paging]) -> Any:
    """List the versions of a setting, newest first."""
    rows = selectors.list_setting_versions(signed_in(request).team, key)
    return page(
        rows, request, limit=paging.limit, order=("-version",), row=schemas.setting_version_row
    )


@router.put("/settings/{key}", response=schemas.SettingOut)
@permission("settings.write")
def change_setting(request: HttpRequest, key: str, body: schemas.SettingIn) -> Any:
    """Give a setting a new value; it is judged, versioned and audited."""
    return services.set_setting(actor=signed_in(request), key=key, now=clock.now(), **body.dict())


@router.post("/settings/{key}/roll-back", response=schemas.SettingOut)
@permission("settings.write")
def roll_back_setting(request: HttpRequest, key: str, body: schemas.RollBackIn) -> Any:
    """Go back to the value of an earlier version, as a new version."""
    actor, now = signed_in(request), clock.now()
    return services.roll_back_setting(actor=actor, key=key, now=now, **body.dict())
