"""REST operations on files of runs, and on what was installed when they were computed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import File, Form, Status
from ninja.files import UploadedFile

from apps.backtests import schemas, selectors
from apps.backtests.api.router import router
from apps.backtests.charts import plots
from apps.backtests.kernel.naming import MOST_BYTES, check_file
from apps.backtests.selectors import artifacts
from apps.backtests.services import artifacts as keeping
from apps.core import clock
from apps.core.doors import permission, signed_in

SENT: Any = File(...)  # type: ignore[type-arg]


@router.get("/backtests/{run_id}/artifacts")
@permission("team.read")
def list_artifacts(request: HttpRequest, run_id: UUID) -> Any:
    """List the files of a run: tables, drawings (made when first read), files put beside it."""
    run = selectors.get_run(run_id, signed_in(request).team)
    return {"items": artifacts.list_artifacts(run, plots.OFFERED)}


@router.post("/backtests/{run_id}/artifacts", response={201: dict[str, Any]})
@permission("research.write")
def attach_artifact(
    request: HttpRequest,
    run_id: UUID,
    form: Form[schemas.ArtifactIn],
    file: UploadedFile = SENT,
) -> Any:
    """Put a file beside a run, such as a fitted model: at most 20 MiB, never opened by the lab."""
    name = form.name or str(file.name)
    check_file(name, int(file.size or 0), plots.NAMES)
    row = keeping.attach_file(
        actor=signed_in(request),
        run_id=run_id,
        name=name,
        content=file.read(MOST_BYTES + 1),
        note=form.note,
        now=clock.now(),
        reserved=plots.NAMES,
    )
    return Status(201, artifacts.artifact_row(row))


@router.get("/backtests/{run_id}/artifacts/{name}", response=None)
@permission("team.read")
def read_artifact(request: HttpRequest, run_id: UUID, name: str) -> Any:
    """Give out a file of a run. A drawing is made on the first reading, and kept."""
    actor = signed_in(request)
    if name in plots.NAMES:
        row = keeping.keep_plot(
            actor=actor, run_id=run_id, name=name, draw=plots.drawn, now=clock.now()
        )
        return _given_out(artifacts.bytes_of(row))
    return _given_out(artifacts.read_file(selectors.get_run(run_id, actor.team), name))


def _given_out(found: artifacts.Bytes) -> HttpResponse:
    """Never shown in the site's own name: a browser saves it."""
    return HttpResponse(
        found.content,
        found.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{found.name}"',
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "ETag": f'"{found.digest}"',
        },
    )


@router.get("/environments/{digest}")
@permission("team.read")
def read_environment(request: HttpRequest, digest: str) -> Any:  # noqa: ARG001 a door takes it
    """List what was installed when runs with this digest were computed."""
    return artifacts.read_environment(digest)
