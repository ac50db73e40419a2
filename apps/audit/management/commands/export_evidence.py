"""Write an evidence pack of a team's events of a period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.services import packing
from apps.core import clock
from apps.core.actors import system
from apps.core.errors import LabError


class Command(BaseCommand):
    help = (
        "Write a zip with a team's events of a period, or the lab's own, proofs included, sealed "
        "in the ledger; tools/verify_evidence.py checks it without the lab."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask for team, days and file."""
        parser.add_argument("file", type=Path)
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--team", type=int)
        whose.add_argument("--lab", action="store_true", help="the events of the lab, of no team")
        parser.add_argument("--since", type=day, required=True, help="first day, UTC: 2026-01-31")
        parser.add_argument("--until", type=day, required=True, help="last day, UTC")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the pack and tell."""
        try:
            data, _ = packing.export_period(
                actor=system("command-line", options["team"]),
                since=options["since"],
                until=options["until"] + timedelta(days=1),
                now=clock.now(),
            )
        except LabError as error:
            raise CommandError(error.message, returncode=1) from error
        options["file"].write_bytes(data)
        self.stdout.write(f"{options['file']}: {len(data)} bytes")


def day(text: str) -> datetime:
    """Return the beginning of a day."""
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
