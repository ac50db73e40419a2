"""Runs brought to an MLflow server, when one is configured: later, again and again, once there.

Nothing of the lab waits for the server. A finished run leaves a row; a periodic job brings due
rows there, and puts off what it can't, twice as long each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.text import slugify

from apps.accounts.selectors import get_team
from apps.audit.services import record
from apps.backtests.kernel.telling import metrics_of, params_of, tags_of
from apps.backtests.models import Mirror, Run
from apps.backtests.providers.base import Mirrored, Sent, Server, Told
from apps.backtests.selectors.artifacts import PARQUET
from apps.backtests.selectors.mirrors import mirror_address
from apps.backtests.selectors.results import get_curves, table_of
from apps.backtests.selectors.runs import get_run, run_detail
from apps.backtests.services.artifacts import Draw
from apps.core import tenancy
from apps.core.actors import Actor, system
from apps.core.errors import LabError, Unavailable
from apps.core.plugs import load_plug

LEASE = timedelta(minutes=10)
FIRST_WAIT, LONGEST_WAIT = 15.0, 3600.0
ROUND_SECONDS = 45.0
TRACKER = "mlflow"
Clock = Callable[[], datetime]


def ask_mirror(run: Run, now: datetime) -> None:
    """Leave word that a finished run is to be mirrored; a bad address spoils no run."""
    try:
        to = mirror_address()
    except LabError:
        return  # told by the check at boot and by the health page
    if to is not None:
        row = {"team_id": run.team_id, "next_at": now, "created_at": now}
        Mirror.objects.get_or_create(run=run, target=to.base, defaults=row)


def ask_mirrors(*, actor: Actor, now: datetime, study: str = "") -> int:
    """Leave word for finished runs, of one study or of all, of one team or of all; count them.

    Those that were refused, or wait, are tried at once; those of a study move to its experiment.
    """
    actor.require("research.write")
    to = mirror_address()
    if to is None:
        return 0
    runs = Run.objects.filter(finished_at__isnull=False)
    if actor.team_id is not None:
        runs = runs.filter(team_id=actor.team_id)
    if study:
        runs = runs.filter(study__name=study)
    rows = [
        Mirror(team_id=team_id, run_id=pk, target=to.base, next_at=now, created_at=now)
        for pk, team_id in runs.values_list("pk", "team_id")
    ]
    with transaction.atomic():
        Mirror.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)
        mine = Mirror.objects.filter(target=to.base, run__in=runs)
        mine.exclude(status=Mirror.Status.DONE).update(
            status=Mirror.Status.WAITING, next_at=now, tries=0
        )
        moved = mine.filter(status=Mirror.Status.DONE).select_related("run__study", "run__team")
        for row in moved if study else ():
            if row.experiment != experiment_of(row.run):
                Mirror.objects.filter(pk=row.pk).update(
                    status=Mirror.Status.WAITING, next_at=now, tries=0
                )
        body = {"runs": len(rows), "study": study, "target": to.base}
        record(actor=actor, action="backtests.mirror_asked", subject="mlflow", body=body, now=now)
    return len(rows)


def mirror_due(*, draw: Draw, now: Clock) -> dict[str, int]:
    """Bring what is due to the server; stop at the first sign that it is away.

    Parameters
    ----------
    draw
        Makes a drawing of a run by the name of its file.
    """
    counts = {"mirrored": 0, "refused": 0, "waiting": 0}
    to = mirror_address()
    if to is None or not _is_due(to.base, now()):
        return counts
    with closing(load_plug("TRACKERS", TRACKER).open(to)) as server:
        return _round(server, draw, now, counts)


def _is_due(target: str, now: datetime) -> bool:
    waiting = Mirror.objects.filter(target=target, status=Mirror.Status.WAITING)
    return waiting.filter(next_at__lte=now).exists()


def _round(server: Server, draw: Draw, now: Clock, counts: dict[str, int]) -> dict[str, int]:
    until = time.monotonic() + ROUND_SECONDS
    while time.monotonic() < until:
        row = _claim(server.target, now())
        if row is None:
            break
        how = _mirror(row, server, draw, now)
        counts[how] += 1
        if how == "waiting":
            break
    return counts


def _claim(target: str, now: datetime) -> Mirror | None:
    """Take the row that has waited longest; whoever dies over it leaves it to others."""
    with transaction.atomic():
        due = Mirror.objects.filter(
            target=target, status=Mirror.Status.WAITING, next_at__lte=now
        ).order_by("next_at", "pk")
        row = due.select_for_update(skip_locked=True).first()
        if row is not None:
            row.next_at, row.tries = now + LEASE, row.tries + 1
            row.save(update_fields=["next_at", "tries"])
    return row


def _mirror(row: Mirror, server: Server, draw: Draw, now: Clock) -> str:
    with tenancy.team(row.team_id):
        try:
            told = told_of(get_run(row.run_id, row.team_id), draw)
            found = server.put(told, row.remote_id)
        except Unavailable as error:
            _put_off(row, error, now())
            return "waiting"
        except LabError as error:
            Mirror.objects.filter(pk=row.pk).update(
                status=Mirror.Status.REFUSED, error=error.message[:400]
            )
            return "refused"
        _done(row, told, found, now())
    return "mirrored"


def _put_off(row: Mirror, error: Unavailable, now: datetime) -> None:
    wait = max(FIRST_WAIT * 2 ** min(row.tries - 1, 20), error.retry_after)
    next_at = now + timedelta(seconds=min(wait, LONGEST_WAIT))
    Mirror.objects.filter(pk=row.pk).update(next_at=next_at, error=error.message[:400])


def _done(row: Mirror, told: Told, found: Mirrored, now: datetime) -> None:
    with transaction.atomic():
        Mirror.objects.filter(pk=row.pk).update(
            status=Mirror.Status.DONE,
            experiment=told.experiment,
            remote_id=found.remote_id,
            link=found.link,
            error="",
            mirrored_at=now,
        )
        record(
            actor=system("mirror", row.team_id),
            action="backtest.mirrored",
            subject=f"backtest:{row.run_id}",
            body={"target": row.target, "experiment": told.experiment, "id": found.remote_id},
            now=now,
        )


def experiment_of(run: Run) -> str:
    """Return the experiment a run is told under: the team, and its study if it has one."""
    team = get_team(run.team_id)
    return f"quantsite/{team.slug or slugify(team.name)}/{run.study.name if run.study else 'runs'}"


def told_of(run: Run, draw: Draw) -> Told:
    """Return a finished run as a tracking server is told of it."""
    detail, site = run_detail(run), settings.SITE_URL.rstrip("/")
    study = run.study
    where = f"{site}/research/?study={study.name}" if study else f"{site}/research/"
    note = f"{study.title}. {study.note}" if study else "Runs of no study."
    began = run.job.started_at if run.job and run.job.started_at else run.created_at
    return Told(
        key=str(run.pk),
        name=run.title,
        experiment=experiment_of(run),
        started=_ms(began),
        ended=_ms(run.finished_at or run.created_at),
        params=params_of(detail),
        metrics=metrics_of(detail),
        tags=tags_of(detail, f"{site}/research/{run.pk}/"),
        experiment_tags={"mlflow.note.content": f"{note} {where}", "quantsite.link": where},
        files=lambda: files_of(run, draw),
    )


PICTURES = ("equity", "monthly", "rolling", "exposure", "excursions")


def files_of(run: Run, draw: Draw) -> tuple[Sent, ...]:
    """Return the tables and drawings of a run: one of them as a page to move about in."""
    curves, trades = get_curves(run), table_of(run, "trades")
    names = (*(f"{name}.png" for name in PICTURES), "equity.html")
    drawn = [(name, draw(name, curves, trades)) for name in names]
    tables = [
        Sent(f"tables/{row.name}{PARQUET}", row.media_type, bytes(row.content))
        for row in run.artifacts.order_by("name")
    ]
    return (*tables, *(Sent(f"plots/{name}", one.media_type, one.whole) for name, one in drawn))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
