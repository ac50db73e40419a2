"""Watches every transaction of the code under test: what changed, and was it recorded.

Each outermost ``atomic`` block that ends well, and each statement outside one, is held against the
rule: whoever changes a row appends an event in the same transaction. A write counts when the
nearest code of the project on the stack is an app's; what tests and factories write themselves
does not. Tables that hold no acts, and places that are excused, are given with their reasons.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

ROOT = str(Path(__file__).parents[2])
WRITES = re.compile(
    r"""\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE)\s+(?:ONLY\s+)?(?:TABLE\s+)?
        (?:"?public"?\.)?"?([a-z_][a-z0-9_]*)"?""",
    re.IGNORECASE | re.VERBOSE,
)
APPEND = "audit.append("
# Code that runs between a service and the database and decides nothing.
BETWEEN = ("/apps/core/timescale/", "/models.py", "/apps/core/models/")


@dataclass
class Unit:
    """A transaction under way: what app code wrote in it, and from where."""

    owner: object = None
    writes: dict[str, str] = field(default_factory=dict)
    is_recorded: bool = False


class Recorder:
    """Collects transactions in which something changed and nothing was recorded."""

    def __init__(self, unrecorded, places):
        self.unrecorded, self.places = unrecorded, places
        self.units, self.found = {}, []
        self.seen = 0

    def statement(self, alias, sql):
        unit = self.units.get(alias) or Unit()
        text = str(sql)
        if APPEND in text:
            unit.is_recorded = True
            return
        tables = [name.lower() for _, name in WRITES.findall(text)]
        tables = [name for name in tables if name not in self.unrecorded]
        if not tables or (where := app_code(self.places)) is None:
            return
        for name in tables:
            if "_" in name:
                unit.writes.setdefault(name, where)
        if unit.owner is None:
            self.judge(unit)

    def judge(self, unit):
        self.seen += bool(unit.writes)
        if unit.writes and not unit.is_recorded:
            self.found.append(dict(unit.writes))


def app_code(places):
    """Return the nearest line of an app on the stack; None when tests wrote, or it is excused."""
    frame = sys._getframe(2)
    near = None
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(f"{ROOT}/tests/") and "/servers/recording.py" not in name:
            return near
        if name.startswith(f"{ROOT}/apps/"):
            short = name.removeprefix(f"{ROOT}/")
            if f"{short}:{frame.f_code.co_name}" in places or "/migrations/" in short:
                return None
            if near is None and not any(part in name for part in BETWEEN):
                near = f"{short}:{frame.f_code.co_name}:{frame.f_lineno}"
        frame = frame.f_back
    return near


@contextmanager
def watching(unrecorded, places=()):
    """Watch this process's connections; give the recorder."""
    from django.db.backends.utils import CursorWrapper
    from django.db.transaction import Atomic, get_connection

    recorder = Recorder(unrecorded, frozenset(places))
    enter, leave = Atomic.__enter__, Atomic.__exit__
    execute, many = CursorWrapper.execute, CursorWrapper.executemany

    def on_enter(self):
        connection = get_connection(self.using)
        if not self._from_testcase and id(connection) not in recorder.units:
            recorder.units[id(connection)] = Unit(owner=self)
        return enter(self)

    def on_leave(self, kind, value, trace):
        connection = get_connection(self.using)
        unit = recorder.units.get(id(connection))
        mine = unit is not None and unit.owner is self
        undone = kind is not None or connection.needs_rollback
        if mine:
            del recorder.units[id(connection)]
        try:
            return leave(self, kind, value, trace)
        finally:
            if mine and not undone:
                recorder.judge(unit)

    def on_execute(self, sql, params=None):
        recorder.statement(id(self.db), sql)
        return execute(self, sql, params)

    def on_many(self, sql, rows):
        recorder.statement(id(self.db), sql)
        return many(self, sql, rows)

    with (
        mock.patch.object(Atomic, "__enter__", on_enter),
        mock.patch.object(Atomic, "__exit__", on_leave),
        mock.patch.object(CursorWrapper, "execute", on_execute),
        mock.patch.object(CursorWrapper, "executemany", on_many),
    ):
        yield recorder
