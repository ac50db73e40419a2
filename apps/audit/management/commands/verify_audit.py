"""Prove the ledger intact: events, leaves, tiles, signed heads, and the head kept outside."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from psycopg.conninfo import make_conninfo

from apps.audit import selectors, store
from apps.core.errors import LabError
from apps.core.lab.servers import embedded_servers

RESTORED = (
    "The head kept in {path} knows more than the database, or other things. If an older backup "
    "was restored on purpose, accept the loss with manage.py reconcile_ledger; else look for an "
    "intruder."
)


class Command(BaseCommand):
    help = (
        "Check the whole ledger and print the findings as JSON. Exit 0: intact; 1: not intact, "
        "first_bad_leaf names the place; 2: there is nothing to check it with."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take other files than the lab's own."""
        parser.add_argument("--key", type=Path, help="verifier key that signed the heads")
        parser.add_argument("--evidence", type=Path, help="an evidence pack to check instead")
        parser.add_argument("--witness", type=Path, help="signed note kept outside the database")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, print, and leave with the exit status."""
        if options["evidence"]:
            sys.exit(verify_evidence(options["evidence"], options["key"]))
        witness_path = options["witness"] or Path(settings.AUDIT_WITNESS_FILE)
        if options["witness"] and not witness_path.is_file():
            raise CommandError(f"There is no file {witness_path}.", returncode=2)
        report = self.look(options["key"], witness_path)
        self.stdout.write(json.dumps(report))
        if not report["ok"]:
            for problem in report["problems"]:
                self.stderr.write(f"leaf {problem['leaf']}: {problem['what']}")
            if any("witness" in problem["what"] for problem in report["problems"]):
                self.stderr.write(RESTORED.format(path=witness_path))
            raise SystemExit(1)

    def look(self, key: Path | None, witness: Path) -> dict[str, Any]:
        """Check with the key that is trusted and those that it leads to."""
        try:
            selectors.key_ring(key)
            with ledger() as connection:
                ring = selectors.key_ring(key, [row.note for row in store.read_keys(connection)])
                kept = selectors.read_witness(witness, ring)
                return selectors.verify_ledger(connection, ring, kept)
        except (LabError, ValueError) as error:
            raise CommandError(f"Nothing to check with: {error}", returncode=2) from error
        except psycopg.Error as error:
            raise CommandError(f"The database can't be read: {error}", returncode=1) from error


def verify_evidence(pack: Path, key: Path | None) -> int:
    """Check an evidence pack with the tool that third parties use; return its exit status."""
    tool = Path(settings.BASE_DIR) / "tools" / "verify_evidence.py"
    key = key or Path(settings.AUDIT_PUBLIC_KEY_FILE)
    command = [sys.executable, str(tool), str(pack), "--key", str(key)]
    return subprocess.run(command, check=False).returncode  # noqa: S603 our own tool


@contextlib.contextmanager
def ledger() -> Iterator[psycopg.Connection[Any]]:
    """Give a connection to the database of DATABASE_URL, or of the lab, started if need be."""
    if os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"):
        site = settings.DATABASES["default"]
        words = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
        parts = {word: site[name] for word, name in words.items() if site[name]}
        proofs = {word: value for word, value in site["OPTIONS"].items() if word.startswith("ssl")}
        with psycopg.connect(
            make_conninfo(dbname=site["NAME"], **parts, **proofs), autocommit=True
        ) as found:
            yield found
        return
    with (
        embedded_servers(Path(settings.LAB_HOME)) as servers,
        psycopg.connect(servers.postgres.dsn("app"), autocommit=True) as found,
    ):
        yield found
