"""Cosign the heads of a ledger, as a witness."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.kernel.witness import NotExtended
from apps.audit.services import witnessing
from apps.core import clock
from apps.core.errors import LabError


class Command(BaseCommand):
    help = (
        "See that the newest head of a ledger extends the last one seen here, and cosign it "
        "(C2SP tlog-cosignature). Run it as another user or on another machine with --url. Exit "
        "1: the ledger shows less or other than it did; nothing is signed and the note stays."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Say where the ledger is and where this witness keeps what it saw."""
        parser.add_argument("--folder", type=Path, required=True, help="the witness's own files")
        parser.add_argument("--name", default="quantsite/witness", help="how it signs")
        parser.add_argument("--url", default="", help="a lab; without, this one's database")
        parser.add_argument("--token-file", type=Path, help="API token that may read the trail")
        parser.add_argument("--log-key", type=Path, help="the log's verifier key, from a friend")
        parser.add_argument("--every", type=float, default=0.0, help="seconds; without, once")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look once, or again and again."""
        while True:
            self.look(options)
            if not options["every"]:
                return
            time.sleep(options["every"])

    def look(self, options: dict[str, Any]) -> None:
        """Look once and tell."""
        folder: Path = options["folder"]
        files = witnessing.Files(folder / "key", folder / "public_key", folder / "checkpoint")
        try:
            seen = witnessing.witness_head(
                source=source(options),
                name=options["name"],
                log_key=log_key(options),
                files=files,
                now=clock.now(),
            )
        except NotExtended as error:
            raise CommandError(f"NOT COSIGNED: {error}. Kept: {files.note}") from error
        except (LabError, ValueError, OSError) as error:
            raise CommandError(f"Nothing to cosign: {error}", returncode=2) from error
        words = "no head yet" if seen is None else f"{seen.size} leaves"
        self.stdout.write(f"{words}{', cosigned' if seen and seen.is_new else ''}: {files.note}")


def source(options: dict[str, Any]) -> witnessing.Source:
    """Return where to look."""
    if not options["url"]:
        return witnessing.Database()
    if options["token_file"] is None:
        message = "Give --token-file: the trail is read by those who may."
        raise CommandError(message, returncode=2)
    return witnessing.Site(options["url"], options["token_file"].read_text("utf-8").strip())


def log_key(options: dict[str, Any]) -> str:
    """Return the key that is trusted: never one that the site itself hands out."""
    if options["url"] and options["log_key"] is None:
        message = "Give --log-key: a copy of LAB_HOME/audit_public_key that you trust."
        raise CommandError(message, returncode=2)
    path = options["log_key"] or Path(settings.AUDIT_PUBLIC_KEY_FILE)
    return str(path.read_text("utf-8"))
