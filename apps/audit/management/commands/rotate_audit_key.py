"""Change the key that signs the ledger's heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit import services
from apps.core import clock
from apps.core.actors import system
from apps.core.errors import LabError


class Command(BaseCommand):
    help = (
        "Make a new signing key. The sequencer hands over to it with a note that both keys sign; "
        "what the old key signed stays provable. --lost: the old key is gone, the new signs alone."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask for the reason."""
        parser.add_argument("--reason", required=True, help="kept in the ledger")
        parser.add_argument("--lost", action="store_true", help="the old key can't sign any more")

    def handle(self, *args: Any, **options: Any) -> None:
        """Lay the key down and record that."""
        if settings.AUDIT_KEY:
            message = (
                "The key comes from AUDIT_KEY: put the new one there and the present one into "
                "AUDIT_KEY_BEFORE, then start the sequencer again."
            )
            raise CommandError(message, returncode=2)
        try:
            line = services.change_key(
                actor=system("command-line"),
                key=Path(settings.AUDIT_KEY_FILE),
                reason=options["reason"],
                lost=options["lost"],
                now=clock.now(),
            )
        except LabError as error:
            raise CommandError(error.message, returncode=1) from error
        self.stdout.write(f"The sequencer takes it up at its next round:\n{line}")
