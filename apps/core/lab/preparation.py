"""Between servers and processes: roles, upgrade, static files, the first start."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg

from apps.core.lab import assets, children, upgrade
from apps.core.lab.children import Child
from apps.core.lab.home import Home, write_private
from apps.core.lab.options import Options
from apps.core.lab.plan import ChildSpec
from apps.core.lab.postgres import PostgresServer
from apps.core.lab.roles import LEDGER_SQL, prepare_database

SAMPLE = Path("data", "sample", "manifest.json")
AS_OWNER = {"DB_ROLE": "migrate"}


class Refused(Exception):
    """The lab can't start; the message says why and what to do."""


class Preparation:
    """Brings database and static files to where the code is; does nothing when they are there."""

    def __init__(self, options: Options, home: Home, say: Callable[[str], None]) -> None:
        self.options, self.home, self.say = options, home, say
        self.embedded = "DATABASE_URL" not in options.addresses

    def run(self) -> None:
        """Prepare everything. Raises ``Refused`` with what to do."""
        self._prepare_roles()
        collecting = self._begin_collecting()
        try:
            self._upgrade()
            self._set_up_storage()
            if not self.credentials.is_file():
                self.say("First start: making the demo team, loading the bundled market data …")
                self.finish(self.begin("bootstrap_lab"))
                write_private(self.home.state / "sample", self._sample_digest())
            self._load_new_sample()
            if collecting is not None:
                child, digest = collecting
                self.finish(child)
                write_private(self.home.state / "static", digest)
        except BaseException:
            if collecting is not None:
                collecting[0].stop()
            raise
        self._note_address()

    @property
    def credentials(self) -> Path:
        """The file with the demo accounts."""
        return self.home.root / "credentials.json"

    def address(self, role: str) -> str:
        """Return the database address of ``migrate`` or ``admin``; the latter may be empty."""
        if self.embedded:
            return PostgresServer(self.home.root).dsn(role)
        return self.options.addresses.get(f"{role.upper()}_DATABASE_URL", "")

    # Steps in processes of their own

    def child(self, spec: ChildSpec) -> Child:
        """Return a child process of this lab, not yet started."""
        common = {
            "LAB_HOME": str(self.home.root),
            "PORT": str(self.options.port),
            "NUMBA_CACHE_DIR": self._machine_code(),
            "PYTHONUNBUFFERED": "1",
        }
        return Child(spec, self.home.logs, self.options.base, common)

    def _machine_code(self) -> str:
        """Return the folder of compiled loops: the lab's own, or one that labs share."""
        return os.environ.get("NUMBA_CACHE_DIR") or str(self.home.root / "cache" / "numba")

    def begin(self, *command: str, **environment: str) -> Child:
        """Start a management command in a process of its own."""
        full = (sys.executable, "manage.py", *command)
        child = self.child(ChildSpec(f"step-{command[0]}", full, environment))
        children.rotate(child.log, limit=2**20)
        child.start()
        return child

    def finish(self, step: Child) -> None:
        """Wait for a step. Raises ``Refused`` with its last words when it failed."""
        if step.process is None:
            return
        try:
            code = step.process.wait()
        except BaseException:
            step.stop()
            raise
        if code != 0:
            words = step.last_words()
            raise Refused(f"{step.name} failed (exit {code}): {words}\nAll of it: {step.log}")

    # Database

    def _prepare_roles(self) -> None:
        if not self.embedded:
            return
        sources = [Path(__file__).with_name("roles.py"), *sorted(LEDGER_SQL.glob("*.sql"))]
        joined = b"\0".join(path.read_bytes() for path in sources)
        digest = hashlib.sha256(joined).hexdigest()
        note = self.home.state / "prepared"
        if note.is_file() and note.read_text(encoding="utf-8") == digest:
            return
        server = PostgresServer(self.home.root)
        prepare_database(server.dsn("admin", "postgres"), self.home.passwords())
        write_private(note, digest)

    def _upgrade(self) -> None:
        """Migrate when the code or the database is not what it was after the last time."""
        note = self.home.state / "upgraded"
        digest = assets.digest_schema(self.options.base, self.options.settings)
        applied = self._count_applied()
        if (
            applied
            and note.is_file()
            and note.read_text(encoding="utf-8") == f"{digest} {applied}"
        ):
            return
        if applied:
            schema = self._compare()
            if schema.pending:
                self._back_up_first()
                self._migrate(len(schema.pending))
        else:
            self._migrate(0)
        write_private(note, f"{digest} {self._count_applied()}")

    def _set_up_storage(self) -> None:
        """Ask a server of one's own for what it offers; the embedded one has nothing to set up."""
        if not self.embedded:
            self.finish(self.begin("set_up_storage", **AS_OWNER))

    def _count_applied(self) -> int:
        try:
            return upgrade.count_applied(self.address("migrate"))
        except psycopg.OperationalError as error:
            raise Refused(
                f"The database can't be reached as the migrating role: {error}. Check "
                "MIGRATE_DATABASE_URL, and prepare the server with manage.py prepare_database."
            ) from error

    def _compare(self) -> upgrade.Schema:
        """Compare schema and code. Raises ``Refused`` for a database that is ahead."""
        found = self.home.state / "schema.json"
        self.finish(self.begin("upgrade_database", "--compare", str(found), **AS_OWNER))
        schema = upgrade.Schema(**json.loads(found.read_text(encoding="utf-8")))
        if schema.unknown:
            raise Refused(
                "STOP lab.schema_drift: the database was migrated by another version of the code: "
                f"{', '.join(schema.unknown[:5])}. Check that version out again"
                f"{self._last_version()}, or bring back a dump of this one: make restore "
                f"FILE={self.home.backups}/…"
            )
        return schema

    def _migrate(self, steps: int) -> None:
        self.say(f"Migrating the database{f' ({steps} steps)' if steps else ''} …")
        try:
            self.finish(self.begin("upgrade_database", **AS_OWNER))
        except Refused as error:
            raise Refused(
                f"{error}\nThe migration failed and was rolled back; your data is as it was. Go "
                f"on with the version that ran last{self._last_version()}, and report the "
                "message above."
            ) from error

    def _back_up_first(self) -> None:
        admin = self.address("admin")
        if not admin:
            self.say(
                "WARN lab.no_backup: ADMIN_DATABASE_URL is not set, so no dump is made first."
            )
            return
        path = upgrade.dump(admin, self.home, now=self.options.now(), label="before-upgrade")
        self.say(f"A dump was made first: {path}")

    def _last_version(self) -> str:
        note = self.home.root / "version"
        version = note.read_text(encoding="utf-8").strip() if note.is_file() else ""
        return f" (git checkout {version})" if version else ""

    # Files

    def _begin_collecting(self) -> tuple[Child, str] | None:
        """Start to collect static files when a source changed since they were collected."""
        digest = assets.digest_static(self.options.base, self.options.settings)
        if assets.are_collected(self.options.static, self.home.state / "static", digest):
            return None
        return self.begin("collectstatic", "--noinput", "-v", "0", "-i", "widgetbundle.js"), digest

    def _sample_digest(self) -> str:
        return hashlib.sha256((self.options.base / SAMPLE).read_bytes()).hexdigest()

    def _load_new_sample(self) -> None:
        """Load what an upgrade brought to the bundled data."""
        note, digest = self.home.state / "sample", self._sample_digest()
        if note.is_file() and note.read_text(encoding="utf-8") == digest:
            return
        self.say("Loading what is new in the bundled market data …")
        self.finish(self.begin("load_sample"))
        write_private(note, digest)

    def _note_address(self) -> None:
        """Keep the address in the credentials true when the port changes."""
        if not self.credentials.is_file():
            return
        found = json.loads(self.credentials.read_text(encoding="utf-8"))
        if found.get("base_url") != self.options.url:
            changed = json.dumps({**found, "base_url": self.options.url}, indent=1)
            write_private(self.credentials, changed)

    def people(self) -> list[str]:
        """Return the e-mail addresses of the demo accounts."""
        if not self.credentials.is_file():
            return []
        found = json.loads(self.credentials.read_text(encoding="utf-8"))
        return [str(user["email"]) for user in found["users"]]
