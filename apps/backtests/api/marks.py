"""REST operations of marks on runs and studies: tags, notes, studies themselves."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Status

from apps.backtests import schemas, selectors, services
from apps.backtests.api.router import router
from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, Paging, page


@router.post("/backtests/mark", response={200: dict[str, Any]})
@permission("research.write")
def mark_backtests(request: HttpRequest, body: schemas.MarkIn) -> Any:
    """Tag, untag, put into a study or archive up to 200 runs; all or none."""
    asked = body.dict()
    runs = services.mark_runs(
        actor=signed_in(request), run_ids=asked.pop("runs"), now=clock.now(), **asked
    )
    return {"runs": len(runs)}


@router.get("/backtests/{run_id}/notes")
@permission("team.read")
def list_run_notes(request: HttpRequest, run_id: UUID) -> Any:
    """List the notes on a run, the newest first, each with what it said before."""
    run = selectors.get_run(run_id, signed_in(request).team)
    return {"items": selectors.notes_of(run)}


@router.post("/backtests/{run_id}/notes", response={201: dict[str, Any]})
@permission("research.write")
def write_run_note(request: HttpRequest, run_id: UUID, body: schemas.NoteIn) -> Any:
    """Write a note on a run."""
    made = services.write_note(
        actor=signed_in(request), run_id=run_id, text=body.text, now=clock.now()
    )
    return Status(201, {"id": str(made.thread), "version": made.version})


@router.put("/notes/{note_id}", response={200: dict[str, Any]})
@permission("research.write")
def edit_note(request: HttpRequest, note_id: UUID, body: schemas.NoteEdit) -> Any:
    """Write another version of a note; what it said before stays readable."""
    made = services.edit_note(
        actor=signed_in(request), thread=note_id, now=clock.now(), **body.dict()
    )
    return {"id": str(made.thread), "version": made.version}


@router.get("/studies", response=Page[schemas.StudyOut])
@permission("team.read")
def list_studies(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List the team's studies, newest first."""
    rows = selectors.list_studies(team_id=signed_in(request).team)
    return page(rows, request, limit=paging.limit, row=selectors.study_row)


@router.post("/studies", response={201: schemas.StudyOut})
@permission("research.write")
def create_study(request: HttpRequest, body: schemas.StudyIn) -> Any:
    """Store a study: a named set of runs."""
    made = services.create_study(actor=signed_in(request), now=clock.now(), **body.dict())
    return Status(201, selectors.study_row(made))


@router.get("/studies/{study_id}")
@permission("team.read")
def read_study(request: HttpRequest, study_id: int) -> Any:
    """Show a study with its best runs by its objective and its notes."""
    study = selectors.get_study(study_id, signed_in(request).team)
    return {**selectors.study_detail(study), "notes": selectors.notes_of(study)}


@router.patch("/studies/{study_id}", response=schemas.StudyOut)
@permission("research.write")
def change_study(request: HttpRequest, study_id: int, body: schemas.StudyChange) -> Any:
    """Rename a study, change its objective, close or reopen it."""
    made = services.change_study(
        actor=signed_in(request), study_id=study_id, now=clock.now(), **body.dict()
    )
    return selectors.study_row(made)


@router.post("/studies/{study_id}/tags", response=schemas.StudyOut)
@permission("research.write")
def tag_study(request: HttpRequest, study_id: int, body: schemas.TagsIn) -> Any:
    """Give tags to a study, or take some."""
    made = services.tag_study(
        actor=signed_in(request), study_id=study_id, now=clock.now(), **body.dict()
    )
    return selectors.study_row(made)


@router.post("/studies/{study_id}/notes", response={201: dict[str, Any]})
@permission("research.write")
def write_study_note(request: HttpRequest, study_id: int, body: schemas.NoteIn) -> Any:
    """Write a note on a study."""
    made = services.write_note(
        actor=signed_in(request), study_id=study_id, text=body.text, now=clock.now()
    )
    return Status(201, {"id": str(made.thread), "version": made.version})


@router.post("/studies/{study_id}/runs", response={204: None})
@permission("research.write")
def add_runs(request: HttpRequest, study_id: int, body: schemas.StudyRunsIn) -> Any:
    """Put runs into a study."""
    services.add_to_study(
        actor=signed_in(request), study_id=study_id, run_ids=body.runs, now=clock.now()
    )
    return Status(204, None)
