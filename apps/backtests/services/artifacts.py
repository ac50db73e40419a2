"""Files of runs: what was installed, drawings that are asked for, files that people put beside."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from numpy.typing import NDArray

from apps.audit.services import record
from apps.backtests.kernel.curves import Curves
from apps.backtests.kernel.naming import MOST_FILES, check_file
from apps.backtests.kernel.pictures import Drawn
from apps.backtests.models import Content, Run, RunFile
from apps.backtests.selectors.origins import environment, environment_digest, origin_of
from apps.backtests.selectors.results import get_curves, table_of
from apps.backtests.selectors.runs import get_done_run, get_run
from apps.core.actors import Actor
from apps.core.errors import Conflict

Draw = Callable[[str, Curves, Mapping[str, NDArray[Any]]], Drawn]
LISTING = "application/json"
LIBRARY = "text/javascript"


def keep_origin(version_digest: str, now: datetime) -> dict[str, Any]:
    """Return where a run is computed, after the listing of what is installed was kept."""
    _keep(environment(), environment_digest(), LISTING, now)
    return origin_of(version_digest)


def _keep(content: bytes, digest: str, media_type: str, now: datetime) -> str:
    """Keep bytes under their digest, once; return the digest."""
    row = Content(digest=digest, media_type=media_type, content=content, created_at=now)
    if not Content.objects.filter(pk=digest).exists():
        Content.objects.bulk_create([row], ignore_conflicts=True)
    return digest


def attach_file(
    *,
    actor: Actor,
    run_id: uuid.UUID | str,
    name: str,
    content: bytes,
    now: datetime,
    note: str = "",
    reserved: frozenset[str] = frozenset(),
) -> RunFile:
    """Put a file beside a run, such as a model that was fitted; it is never opened here.

    Parameters
    ----------
    reserved
        Names of what the lab makes itself.

    Raises
    ------
    Invalid
        ``artifact.name``, ``artifact.type``, ``artifact.size``, ``artifact.reserved``.
    Conflict
        ``artifact.exists`` for other bytes under a name that is taken, ``artifact.full``.
    """
    actor.require("research.write")
    run = get_run(run_id, actor.team)
    media_type = check_file(name, len(content), reserved)
    digest = hashlib.sha256(content).hexdigest()
    with transaction.atomic():
        Run.objects.select_for_update(of=("self",)).only("pk").get(pk=run.pk)
        same = RunFile.objects.filter(run=run, name=name).first()
        if same is not None:
            return _same_bytes(same, digest)
        if RunFile.objects.filter(run=run, kind=RunFile.Kind.FILE).count() >= MOST_FILES:
            message = (
                f"The run has {MOST_FILES} files, as many as are kept; pack several into one."
            )
            raise Conflict(message, code="artifact.full")
        row = _add(actor, run, RunFile.Kind.FILE, name, Drawn(content, media_type), now, note)
        body = {"name": name, "digest": digest, "size": len(content), "note": row.note}
        _note(actor, "backtest.file_attached", run, body, now)
    return row


def _same_bytes(row: RunFile, digest: str) -> RunFile:
    if row.digest == digest:
        return row
    message = (
        f"The run has a file {row.name} with other content already, and what is kept stays; "
        "choose another name."
    )
    raise Conflict(message, code="artifact.exists", details={"field": "file"})


def keep_plot(
    *, actor: Actor, run_id: uuid.UUID | str, name: str, draw: Draw, now: datetime
) -> RunFile:
    """Return a drawing of a run, made when it is asked for first and the same ever after."""
    actor.require("team.read")
    run = get_done_run(run_id, actor.team)
    found = RunFile.objects.filter(run=run, name=name).select_related("shared").first()
    if found is not None:
        return found
    drawn = draw(name, get_curves(run), table_of(run, "trades"))
    with transaction.atomic():
        Run.objects.select_for_update(of=("self",)).only("pk").get(pk=run.pk)
        found = RunFile.objects.filter(run=run, name=name).select_related("shared").first()
        if found is not None:  # somebody else asked at the same time
            return found
        row = _add(actor, run, RunFile.Kind.PLOT, name, drawn, now, "")
        body = {"name": name, "digest": row.digest, "size": row.size}
        _note(actor, "backtest.plot_kept", run, body, now)
    return row


def _add(
    actor: Actor, run: Run, kind: str, name: str, drawn: Drawn, now: datetime, note: str
) -> RunFile:
    shared = None
    if drawn.library is not None:
        shared = hashlib.sha256(drawn.library).hexdigest()
        _keep(drawn.library, shared, LIBRARY, now)
    given_out = drawn.whole
    return RunFile.objects.create(
        team_id=run.team_id,
        run=run,
        kind=kind,
        name=name,
        media_type=drawn.media_type,
        digest=hashlib.sha256(given_out).hexdigest(),
        size=len(given_out),
        content=drawn.content,
        shared_id=shared,
        note=note.strip()[:400],
        created_by=actor.name,
        created_by_label=actor.label,
        created_at=now,
    )


def _note(actor: Actor, action: str, run: Run, body: dict[str, Any], now: datetime) -> None:
    record(actor=actor, action=action, subject=f"backtest:{run.pk}", body=body, now=now)
