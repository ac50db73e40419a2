"""Files of a run as rows and bytes: tables, drawings, what people put beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from django.db.models import BigIntegerField, F, Func

from apps.backtests.kernel.pictures import whole
from apps.backtests.models import Artifact, Content, Run, RunFile
from apps.core.errors import NotFound

TABLE, PLOT, FILE = "table", "plot", "file"
PARQUET = ".parquet"


@dataclass(frozen=True, slots=True)
class Bytes:
    """A file to be given out."""

    name: str
    media_type: str
    digest: str
    content: bytes


def list_artifacts(run: Run, plots: Iterable[tuple[str, str, str]] = ()) -> list[dict[str, Any]]:
    """Return all files of a run: tables, drawings, files; of a drawing not made yet no digest.

    Parameters
    ----------
    plots
        Name, title and media type of what can be drawn.
    """
    kept = RunFile.objects.filter(run=run).defer("content").order_by("kind", "name")
    rows = {row.name: row for row in kept}
    drawings = [
        _row(run, PLOT, name, media, title, rows.get(name))
        for name, title, media in (plots if run.is_done else ())
    ]
    files = [
        _row(run, FILE, row.name, row.media_type, row.note, row)
        for row in rows.values()
        if row.kind == RunFile.Kind.FILE
    ]
    return [*_tables(run), *drawings, *files]


def _tables(run: Run) -> list[dict[str, Any]]:
    size = Func(F("content"), function="octet_length", output_field=BigIntegerField())
    found = Artifact.objects.filter(run=run).annotate(size=size).defer("content").order_by("name")
    return [
        {
            **_row(run, TABLE, f"{row.name}{PARQUET}", row.media_type, "", None),
            "digest": row.digest,
            "size": row.size,
            "created_at": run.finished_at or run.created_at,
        }
        for row in found
    ]


def _row(
    run: Run, kind: str, name: str, media_type: str, title: str, row: RunFile | None
) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "title": title,
        "media_type": media_type,
        "digest": row.digest if row else "",
        "size": row.size if row else None,
        "created_by": (row.created_by_label or row.created_by) if row else "",
        "created_at": row.created_at if row else None,
        "link": f"/api/v1/backtests/{run.pk}/artifacts/{name}",
    }


def artifact_row(row: RunFile) -> dict[str, Any]:
    """Return a file that was put beside a run as lists show it."""
    return _row(row.run, str(row.kind), row.name, row.media_type, row.note, row)


def read_file(run: Run, name: str) -> Bytes:
    """Return a table of a run, or a file put beside it. Raises ``NotFound``."""
    table = Artifact.objects.filter(run=run, name=name.removesuffix(PARQUET)).first()
    if table is not None and name.endswith(PARQUET):
        return Bytes(name, table.media_type, table.digest, bytes(table.content))
    row = RunFile.objects.filter(run=run, name=name).select_related("shared").first()
    if row is None:
        message = f"The run has no file {name}; GET …/artifacts lists what it has."
        raise NotFound(message, code="artifact.not_found")
    return bytes_of(row)


def bytes_of(row: RunFile) -> Bytes:
    """Return a kept drawing or file as it is given out."""
    shared = bytes(row.shared.content) if row.shared else None
    return Bytes(row.name, row.media_type, row.digest, whole(bytes(row.content), shared))


def read_environment(digest: str) -> dict[str, Any]:
    """Return the listing of what was installed. Raises ``NotFound``."""
    found: dict[str, Any] = orjson.loads(environment_bytes(digest))
    return found


def environment_bytes(digest: str) -> bytes:
    """Return the listing as canonical JSON, the bytes its digest is of. Raises ``NotFound``."""
    row = Content.objects.filter(pk=digest, media_type="application/json").first()
    if row is None:
        message = f"There is no environment {digest}; a run tells its own under origin."
        raise NotFound(message, code="environment.not_found")
    return bytes(row.content)
