"""Marks of people on runs and studies: tags, notes, saved views; each change is recorded.

Events hold the digest of a note and not its words, which may name somebody (decision 95).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, transaction

from apps.audit.services import record
from apps.backtests import selectors
from apps.backtests.kernel.queries import parse
from apps.backtests.kernel.tags import read_tags, retagged
from apps.backtests.models import Note, Run, SavedView, Study
from apps.backtests.selectors.locks import locks_among
from apps.backtests.selectors.marks import get_view, newest_of
from apps.backtests.services.studies import find_open_study
from apps.core.actors import Actor
from apps.core.errors import Conflict, Denied, Invalid

MOST_RUNS = 200
LONGEST_NOTE = 8000
MOST_VIEWS = 100


def mark_runs(
    *,
    actor: Actor,
    run_ids: Sequence[uuid.UUID],
    now: datetime,
    tag: Sequence[str] = (),
    untag: Sequence[str] = (),
    study: str | None = None,
    archive: bool = False,
) -> list[Run]:
    """Tag, untag, put into a study (out of any: ``""``) or archive several runs; all or none.

    Raises
    ------
    NotFound
        For a run of another team, or an unknown study.
    Conflict
        To archive one that is evidence, or add to a study that is closed.
    """
    actor.require("research.write")
    added, removed = read_tags(tag), list(read_tags(untag))
    if not 1 <= len(run_ids) <= MOST_RUNS:
        message = f"{len(run_ids)} runs were named; 1 to {MOST_RUNS} are marked at once."
        raise Invalid(message, code="mark.runs", details={"field": "runs"})
    if not (added or removed or archive or study is not None):
        message = "Nothing is asked for; give tag, untag, study or archive."
        raise Invalid(message, code="mark.nothing", details={"field": "tag"})
    with transaction.atomic():
        runs = _locked_rows(run_ids, actor.team)
        into = find_open_study(study, actor.team) if study else None
        if archive or study == "":
            _refuse_evidence(runs, actor.team)
        events = []
        for run in runs:
            before = (run.tags, run.study_id, run.archived_at)
            run.tags = retagged(run.tags, added, removed)
            run.study = into if study is not None else run.study
            run.archived_at = (run.archived_at or now) if archive else run.archived_at
            if before != (run.tags, run.study_id, run.archived_at):
                told = {"tag": added, "untag": removed, "study": study, "archive": archive}
                events.append((f"backtest:{run.pk}", told))
        Run.objects.bulk_update(runs, ["tags", "study", "archived_at"])
        for subject, body in events:
            record(actor=actor, action="backtest.marked", subject=subject, body=body, now=now)
    return runs


def _locked_rows(run_ids: Sequence[uuid.UUID], team_id: int) -> list[Run]:
    wanted = set(run_ids)
    rows = Run.objects.select_for_update(of=("self",)).filter(pk__in=wanted, team_id=team_id)
    runs = list(rows.defer("result", "request", "figures").order_by("pk"))
    for missing in wanted - {run.pk for run in runs}:
        selectors.get_run(missing, team_id)
    return runs


def _refuse_evidence(runs: Sequence[Run], team_id: int) -> None:
    for run_id in sorted(locks_among([run.pk for run in runs], team_id)):
        selectors.check_unlocked(f"run:{run_id}", team_id)


def tag_study(
    *,
    actor: Actor,
    study_id: int,
    now: datetime,
    tag: Sequence[str] = (),
    untag: Sequence[str] = (),
) -> Study:
    """Change the tags of a study. Raises ``NotFound``, ``Invalid``."""
    actor.require("research.write")
    added, removed = read_tags(tag), list(read_tags(untag))
    study = selectors.get_study(study_id, actor.team)
    with transaction.atomic():
        study.tags = retagged(study.tags, added, removed)
        study.save(update_fields=["tags"])
        body = {"tag": added, "untag": removed}
        subject = f"study:{study.pk}"
        record(actor=actor, action="study.tagged", subject=subject, body=body, now=now)
    return study


def write_note(
    *,
    actor: Actor,
    text: str,
    now: datetime,
    run_id: uuid.UUID | str | None = None,
    study_id: int | None = None,
) -> Note:
    """Write a note on a run or on a study. Raises ``NotFound``, ``Invalid``."""
    actor.require("research.write")
    run = selectors.get_run(run_id, actor.team) if run_id is not None else None
    study = selectors.get_study(study_id, actor.team) if study_id is not None else None
    if not text.strip():
        message = "The note is empty; write what you saw."
        raise Invalid(message, code="note.text", details={"field": "text"})
    return _keep_note(actor, Note(run=run, study=study, thread=uuid.uuid4()), text, now)


def edit_note(*, actor: Actor, thread: uuid.UUID, version: int, text: str, now: datetime) -> Note:
    """Write another version of a note; an empty one takes it out of sight, its history stays.

    Raises
    ------
    Conflict
        When somebody edited it since ``version``.
    """
    actor.require("research.write")
    old = newest_of(thread, actor.team)
    if old.version != version:
        message = f"The note is at version {old.version} by now, not {version}; read it again."
        raise Conflict(message, code="note.edited", details={"field": "version"})
    made = Note(run=old.run, study=old.study, thread=thread, version=version + 1)
    return _keep_note(actor, made, text, now)


def _keep_note(actor: Actor, note: Note, text: str, now: datetime) -> Note:
    words = text.strip().replace("\0", "")
    if len(words) > LONGEST_NOTE:
        message = f"The note has {len(words)} characters; at most {LONGEST_NOTE}."
        raise Invalid(message, code="note.text", details={"field": "text"})
    note.team_id, note.text, note.created_at = actor.team, words, now
    note.created_by, note.created_by_label = actor.name, actor.label
    subject = f"backtest:{note.run_id}" if note.run_id else f"study:{note.study_id}"
    body = {
        "note": str(note.thread),
        "version": note.version,
        "sha256": sha256(words.encode()).hexdigest(),
        "characters": len(words),
    }
    try:
        with transaction.atomic():
            note.save(force_insert=True)
            record(actor=actor, action="note.written", subject=subject, body=body, now=now)
    except IntegrityError as error:
        message = "Somebody edited the note at the same moment; read it again."
        raise Conflict(message, code="note.edited") from error
    return note


def save_view(
    *,
    actor: Actor,
    name: str,
    now: datetime,
    view_id: int | None = None,
    query: str = "",
    sort: str = "-created_at",
    columns: Sequence[str] = (),
    is_shared: bool = False,
    is_default: bool = False,
) -> SavedView:
    """Keep a search with its order and columns under a name, or change one's own view.

    A shared view is the team's; whoever may write research changes it.

    Raises
    ------
    Invalid
        For a search, order or column that can't be read.
    Conflict
        For a name that is taken.
    """
    actor.require("team.read")
    if is_shared:
        actor.require("research.write")
    kept = _checked_view(name, query, sort, columns)
    try:
        with transaction.atomic():
            view = _view_to_change(actor, view_id, now)
            view.is_shared, view.is_default, view.updated_at = is_shared, is_default, now
            for field, value in kept.items():
                setattr(view, field, value)
            if is_default:
                _unset_default(actor, view)
            view.save()
            body = {**kept, "is_shared": is_shared, "is_default": is_default}
            subject = f"view:{view.pk}"
            record(actor=actor, action="view.saved", subject=subject, body=body, now=now)
    except IntegrityError as error:
        message = f"There is a view {kept['name']!r} already; choose another name, or change it."
        raise Conflict(message, code="view.name_taken", details={"field": "name"}) from error
    return view


def _checked_view(name: str, query: str, sort: str, columns: Sequence[str]) -> dict[str, Any]:
    words = name.strip()
    if not 1 <= len(words) <= 80:
        message = "A view has a name of 1 to 80 characters."
        raise Invalid(message, code="view.name", details={"field": "name"})
    parse(query)
    selectors.sorted_runs(Run.objects.none(), sort)
    chosen = selectors.read_columns(",".join(columns))
    return {"name": words, "query": query.strip(), "sort": sort, "columns": chosen}


def _view_to_change(actor: Actor, view_id: int | None, now: datetime) -> SavedView:
    """Return the view to fill in: a new one, or one that the actor may change."""
    if view_id is not None:
        view = get_view(view_id, actor)
        if view.is_shared:
            actor.require("research.write")
        return view
    if selectors.list_views(actor=actor).count() >= MOST_VIEWS:
        message = f"There are {MOST_VIEWS} views already; remove one first."
        raise Conflict(message, code="view.many")
    return SavedView(
        team_id=actor.team, owner=actor.name, created_by_label=actor.label, created_at=now
    )


def _unset_default(actor: Actor, view: SavedView) -> None:
    rows = SavedView.objects.filter(team_id=actor.team, is_shared=view.is_shared, is_default=True)
    mine = rows if view.is_shared else rows.filter(owner=view.owner)
    mine.exclude(pk=view.pk).update(is_default=False)


def remove_view(*, actor: Actor, view_id: int, now: datetime) -> None:
    """Remove a view: one's own, or a shared one by whoever may write research."""
    actor.require("team.read")
    view = get_view(view_id, actor)
    if view.is_shared and not actor.may("research.write"):
        message = "A view of the team is removed by whoever may write research."
        raise Denied(message, code="denied.shared_view")
    with transaction.atomic():
        body = {"name": view.name, "query": view.query}
        record(actor=actor, action="view.removed", subject=f"view:{view.pk}", body=body, now=now)
        view.delete()
