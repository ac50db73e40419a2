"""The restore drill: is the last backup one that would bring the lab back.

A dump counts as good when it can be restored, when every table has the rows it had at the moment
of the dump, when its ledger verifies, and when the present ledger extends it.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import file_digest
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import transaction

from apps.audit import selectors, store
from apps.audit.kernel.keys import KeyRing
from apps.audit.services.ledger import record
from apps.core.actors import Actor
from apps.core.errors import LabError, Unavailable
from apps.core.lab import upgrade
from apps.core.lab.home import Home
from apps.core.lab.options import variable
from apps.core.lab.postgres import PostgresServer

SCRATCH = "{database}_drill"
MOST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill found; ``problems`` is empty when the backup is good."""

    file: str
    sha256: str
    size: int
    tables: int
    rows: int
    leaves: int
    root: str
    seconds: float
    problems: tuple[str, ...]


def drill_when_due(*, actor: Actor, now: datetime) -> Drill | None:
    """Drill when the last time is long enough ago; None when it isn't, or nobody may.

    A backup is made first when the newest is older than that.
    """
    hours = settings.RESTORE_DRILL_HOURS
    last = selectors.last_drill()
    if not hours or (last is not None and now - last.at < timedelta(hours=hours)):
        return None
    if not administrator():
        return None
    home = Home(Path(settings.LAB_HOME))
    backups = upgrade.list_backups(home)
    oldest = (now - timedelta(hours=hours)).timestamp()
    if not backups or backups[-1].stat().st_mtime < oldest:
        home.prepare()
        upgrade.dump(administrator(), home, now=now, label="daily")
    return drill(actor=actor, now=now)


def drill(*, actor: Actor, now: datetime, file: Path | None = None) -> Drill:
    """Restore the newest backup, or ``file``, aside, look through it, and record what was found.

    Raises ``Unavailable`` without a backup or an administrator's address.
    """
    actor.require("ops.manage")
    admin = administrator()
    backups = upgrade.list_backups(Home(Path(settings.LAB_HOME)))
    chosen = file or (backups[-1] if backups else None)
    if not admin or chosen is None:
        lacking = "no ADMIN_DATABASE_URL" if chosen else "no backup in LAB_HOME/backups"
        message = f"There is {lacking}; make one with make backup, as the lab's administrator."
        raise Unavailable(message, code="drill.nothing")
    found = try_backup(admin, chosen, selectors.key_ring())
    action = "backup.drill_failed" if found.problems else "backup.drilled"
    with transaction.atomic():
        body = {**asdict(found), "seconds": str(found.seconds)}
        record(actor=actor, action=action, subject="backup:drill", body=body, now=now)
    return found


def administrator() -> str:
    """Return the administrator's address: the embedded server's, or ADMIN_DATABASE_URL; or ""."""
    if given := variable("ADMIN_DATABASE_URL"):
        return given
    if variable("DATABASE_URL"):
        return ""
    server = PostgresServer(Path(settings.LAB_HOME))
    return server.dsn("admin") if server.found() is not None else ""


def try_backup(admin: str, file: Path, ring: KeyRing) -> Drill:
    """Restore a dump aside and look through it; what is wrong stands in ``problems``."""
    began = time.perf_counter()
    problems: list[str] = []
    counts: dict[str, int] = {}
    report: dict[str, Any] = {}
    name = SCRATCH.format(database=psycopg.conninfo.conninfo_to_dict(admin)["dbname"])
    try:
        with (
            upgrade.restored_aside(admin, file, name) as dsn,
            psycopg.connect(dsn, autocommit=True) as restored,
        ):
            counts = upgrade.count_rows(restored)
            report = selectors.verify_ledger(restored, ring)
            heads = store.last_head(restored)
        problems += _compare_rows(file, counts)
        problems += [f"ledger: {problem['what']}" for problem in report["problems"]]
        if heads is not None:
            problems += _compare_heads(admin, heads)
    except (LabError, psycopg.Error) as error:
        problems.append(str(error)[:MOST_WORDS])
    return Drill(
        file=file.name,
        sha256=_digest(file),
        size=file.stat().st_size if file.is_file() else 0,
        tables=len(counts),
        rows=sum(counts.values()),
        leaves=report.get("leaves", 0),
        root=report.get("root", ""),
        seconds=round(time.perf_counter() - began, 2),
        problems=tuple(problems[:20]),
    )


def _digest(file: Path) -> str:
    if not file.is_file():
        return ""
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()


def _compare_rows(file: Path, counts: dict[str, int]) -> list[str]:
    note = upgrade.note_of(file)
    if not note.is_file():
        return []  # a dump of an earlier version has none
    said: dict[str, int] = json.loads(note.read_text(encoding="utf-8"))["rows"]
    return [
        f"{table} has {counts.get(table, 'no')} rows, it had {rows}"
        for table, rows in said.items()
        if counts.get(table) != rows
    ]


def _compare_heads(admin: str, restored: Any) -> list[str]:
    """Tell when the present ledger lacks the head that the backup ends with."""
    with psycopg.connect(admin, autocommit=True) as present:
        found = store.find_head(present, restored.size)
    if found is not None and found.root == restored.root:
        return []
    return [f"the present ledger does not extend the backup's {restored.size} leaves"]
