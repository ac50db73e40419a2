"""REST: uploads."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import File, Form, Status
from ninja.files import UploadedFile

from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.market import schemas, services
from apps.market.api.router import router

FILE: Any = File(None)  # type: ignore[type-arg]


@router.post("/uploads", response={201: schemas.UploadOut, 202: schemas.Started})
@permission("data.write")
def upload_bars(
    request: HttpRequest,
    form: Form[schemas.UploadIn],
    file: UploadedFile | None = FILE,
) -> Any:
    """Store a file of bars, actions, figures or reference data: all of it, or nothing.

    CSV or Parquet, plain, gz or several in a zip. A large file is stored by a job (202).
    """
    actor, now = signed_in(request), clock.now()
    asked = services.Upload(sent=file, **form.wanted)
    result, job = services.store_upload(actor=actor, upload=asked, now=now)
    if job is not None:
        return Status(202, {"id": str(job.pk), "job": jobs.as_dict(job, now)})
    return Status(201, result)


@router.post("/uploads/preview", response=schemas.UploadPreview)
@permission("data.write")
def preview_upload(
    request: HttpRequest,
    form: Form[schemas.UploadIn],
    file: UploadedFile | None = FILE,
) -> Any:
    """Check a file and show what it holds; nothing is stored.

    The answer names the file under ``upload``, so that it need not be sent again to be stored.
    """
    team_id, now = signed_in(request).team, clock.now()
    asked = services.Upload(sent=file, **form.wanted)
    return services.preview_upload(team_id=team_id, upload=asked, now=now)
