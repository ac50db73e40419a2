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
    data, name = services.export_evidence(
        actor=signed_in(request), proposal_id=proposal_id, now=clock.now()
    )
    answer = HttpResponse(data, content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@router.post("/proposals/{uuid:proposal_id}/decisions", response={201: schemas.ProposalDetail})
@permission("team.read")
def decide(request: HttpRequest, proposal_id: UUID, body: schemas.DecisionIn) -> Any:
    """Approve or reject a proposal, bound to the digest that was read, with a signature."""
    actor, now = signed_in(request), clock.now()
    services.decide(actor=actor, proposal_id=proposal_id, now=now, **body.dict())
    proposal = selectors.get_proposal(proposal_id, actor.team)
    return Status(201, schemas.proposal_detail(proposal, actor, now))


@router.get("/proposals/{uuid:proposal_id}/signing", response=schemas.SigningOut)
@permission("team.read")
def read_signing(request: HttpRequest, proposal_id: UUID) -> Any:
    """Return how the caller may sign a decision, and what a passkey signs."""
    actor = signed_in(request)
    return selectors.signing_of(selectors.get_proposal(proposal_id, actor.team), actor)


@router.post("/proposals/{uuid:proposal_id}/amend", response={201: schemas.ProposalDetail})
@permission("proposals.create")
def amend(request: HttpRequest, proposal_id: UUID, body: schemas.AmendIn) -> Any:
    """Change an open proposal: another takes its place, and the votes on it are void."""
    actor, now = signed_in(request), clock.now()
    made = services.amend(actor=actor, proposal_id=proposal_id, now=now, **body.dict())
    return Status(201, schemas.proposal_detail(made, actor, now))


@router.post("/proposals/{uuid:proposal_id}/revoke", response=schemas.ProposalDetail)
@permission("proposals.decide")
def revoke(request: HttpRequest, proposal_id: UUID, body: schemas.RevokeIn) -> Any:
    """Take an approval in force back; what runs under it stops."""
    actor, now = signed_in(request), clock.now()
    services.revoke(actor=actor, proposal_id=proposal_id, now=now, **body.dict())
    proposal = selectors.get_proposal(proposal_id, actor.team)
    return schemas.proposal_detail(proposal, actor, now)


@router.post("/policies/dry-run", response=schemas.DryRunOut)
@permission("team.read")
def dry_run(request: HttpRequest, body: schemas.DryRunIn) -> Any:
    """Hold gates against past approvals: which would fail? Nothing is changed."""
    return selectors.dry_run(signed_in(request).team, now=clock.now(), **body.dict())


@router.post("/proposals/{uuid:proposal_id}/withdraw", response=schemas.ProposalDetail)
@permission("proposals.create")
def withdraw(request: HttpRequest, proposal_id: UUID, body: schemas.WithdrawProposalIn) -> Any:
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


@router.post("/settings/{key}/proposals", response={201: schemas.ProposalDetail})
@permission("proposals.create")
def propose_setting(request: HttpRequest, key: str, body: schemas.SettingProposalIn) -> Any:
    """Propose a new value; a policy changes no other way."""
    actor, now = signed_in(request), clock.now()
    made = services.propose_setting(actor=actor, key=key, now=now, **body.dict())
    return Status(201, schemas.proposal_detail(made, actor, now))


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
