"""Watches every transaction of the code under test: what changed, and was it recorded.

Each outermost ``atomic`` block that ends well, and each statement outside one, is held against the
rule: whoever changes a row appends an event in the same transaction. A write counts when the
nearest code of the project on the stack is an app's, or allauth's, whose pages change how people
sign in; what tests and factories write themselves does not. COPY into a table is a write as any
other; a table that ends with its transaction is none. Places that are excused stand here with
their reasons.
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
    r"""\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE|COPY)\s+
        (?:ONLY\s+)?(?:TABLE\s+)?(?:"?public"?\.)?"?([a-z_][a-z0-9_]*)"?""",
    re.IGNORECASE | re.VERBOSE,
)
APPEND = "audit.append("
# Tables that end with their transaction.
PASSING = "stage_"
# Who is signed in where: sign-ins are in the log, ending one's session by our page is recorded.
SESSIONS = {"django_session", "usersessions_usersession"}
PACKAGES = "/site-packages/"
# The modules whose every test is watched, see tests/conftest.py.
WATCHED = {
    f"tests.integration.{name}"
    for name in (
        "test_accounts_pages",
        "test_approvals",
        "test_backtests",
        "test_scanner",
        "test_strategies_rest",
        "test_sweeps",
        "test_trading_fence",
        "test_trading_halt",
        "test_trading_rest",
        "test_uploads",
    )
}
# Writes without an event: figures that follow from what is recorded, and traces of reading.
# A whole file, or one function of it.
EXCUSED = {
    "apps/core/jobs.py": "the queue: leases, progress; asking and outcome are recorded",
    "apps/core/idempotency.py": "an answer kept for who asks again",
    "apps/market/services/readers.py:register_reader": "which data a recorded run has read",
    "apps/market/services/ingests/running.py": "parts of an ingestion, recorded as a whole",
    "apps/market/services/absorb.py": "parts of an ingestion or an upload, recorded as a whole",
    "apps/market/services/judging.py": "findings computed from bars",
    "apps/market/store/cards.py": "figures about an instrument, computed from its bars",
    "apps/market/store/actions.py": "parts of an ingestion or an upload, recorded as a whole",
    "apps/backtests/services/lanes.py": "parts of a sweep; its begin and end are recorded",
    "apps/backtests/services/deflation.py": "ratios that follow from what was tried, as of now",
    "apps/backtests/services/runs.py:_store": "computed again to the same digest",
    "apps/backtests/services/trials.py:keep_streams": "what those, or parts of a sweep, returned",
    "apps/backtests/store.py:write_curves": "the curves of such a run",
    "apps/strategies/services/scans.py:start_scan": "parts of a scan that was recorded when asked",
    "apps/market/services/feeds.py:advance_feed": "where a replay stands; its bars are recorded",
    "apps/market/services/readers.py:go_on_reading": "until when a reader read; its beginning is",
    "apps/trading/services/steps.py:step_account": "equity at a bar; fills are recorded",
    "apps/trading/services/sleeves.py:save": "a memory at a bar; the orders are recorded",
    "apps/trading/store.py:add_points": "equity by bar, a figure of recorded fills",
    "apps/trading/store.py:put_positions": "sums of recorded fills, at the bar's price",
    "apps/risk/services/reports.py:keep_live_report": "figures computed from positions",
    "apps/risk/services/stops.py:_begin": "the first look at an equity",
    "apps/risk/services/stops.py:_mark": "equity at a bar; a change of state is recorded",
    "apps/accounts/selectors.py:_read_token": "when a token was used last",
    "apps/accounts/backends.py:__call__": "when a session was used last",
    "apps/accounts/views.py:_join": "when somebody signed in last; that they joined is recorded",
    "apps/accounts/services/teams.py:choose_team": "a matter of view: which team pages show",
    "allauth/account/adapter.py:login": "when somebody signed in last",
    "allauth/mfa/base/internal/flows.py:post_authentication": "when a factor was used last",
    "allauth/mfa/recovery_codes/internal/auth.py:mark_as_viewed": "that the codes were shown",
    "allauth/account/internal/flows/manage_email.py:sync_email_address": "a copy of the address",
}
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

    def __init__(self, places):
        self.places = places
        self.units, self.found = {}, []
        self.seen = 0

    def statement(self, alias, sql):
        unit = self.units.get(alias) or Unit()
        text = str(sql)
        if APPEND in text:
            unit.is_recorded = True
            return
        found = [name.lower() for _, name in WRITES.findall(text) if "_" in name]
        tables = [name for name in found if not name.startswith(PASSING) and name not in SESSIONS]
        if not tables or (where := app_code(self.places)) is None:
            return
        for name in tables:
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
        short = short_name(name) if near is None else None
        if short is not None and not any(part in name for part in BETWEEN):
            place = f"{short}:{frame.f_code.co_name}"
            if place in places or short in places:
                return None
            near = f"{place}:{frame.f_lineno}"
        frame = frame.f_back
    return near


def short_name(name):
    """Return a file of an app or of allauth as ``EXCUSED`` has it; None for any other."""
    if name.startswith(f"{ROOT}/apps/"):
        return name.removeprefix(f"{ROOT}/")
    inside = name.partition(PACKAGES)[2]
    return inside if inside.startswith("allauth/") else None


@contextmanager
def watching_statements(recorder):
    """Show the recorder every statement."""
    from django.db.backends.utils import CursorWrapper

    execute, many = CursorWrapper.execute, CursorWrapper.executemany

    def on_execute(self, sql, params=None):
        recorder.statement(id(self.db), sql)
        return execute(self, sql, params)

    def on_many(self, sql, rows):
        recorder.statement(id(self.db), sql)
        return many(self, sql, rows)

    def on_copy(self, sql, *arguments, **options):
        recorder.statement(id(self.db), sql)
        return self.cursor.copy(sql, *arguments, **options)

    with (
        mock.patch.object(CursorWrapper, "execute", on_execute),
        mock.patch.object(CursorWrapper, "executemany", on_many),
        mock.patch.object(CursorWrapper, "copy", on_copy, create=True),
    ):
        yield


@contextmanager
def watching(places=EXCUSED):
    """Watch this process's connections; give the recorder."""
    from django.db.transaction import Atomic, get_connection

    recorder = Recorder(frozenset(places))
    enter, leave = Atomic.__enter__, Atomic.__exit__

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

    with (
        watching_statements(recorder),
        mock.patch.object(Atomic, "__enter__", on_enter),
        mock.patch.object(Atomic, "__exit__", on_leave),
    ):
        yield recorder
