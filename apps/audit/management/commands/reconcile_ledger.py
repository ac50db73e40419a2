"""Accept that a restored backup lacks events that the kept head shows."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit import selectors
from apps.audit.services.reconciling import reconcile
from apps.core import clock
from apps.core.actors import system
from apps.core.errors import LabError


class Command(BaseCommand):
    help = (
        "After an older backup was restored: say so, with a reason that stays in the ledger. The "
        "head kept outside the database is then moved aside, and trading may be resumed."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask for the reason."""
        parser.add_argument("--reason", default="", help="what was restored, and why")

    def handle(self, *args: Any, **options: Any) -> None:
        """Reconcile and tell what was accepted."""
        found = selectors.find_rollback()
        try:
            event = reconcile(
                actor=system("command-line"), reason=options["reason"], now=clock.now()
            )
        except LabError as error:
            raise CommandError(error.message, returncode=1) from error
        if found is not None:
            self.stdout.write(found.says)
        self.stdout.write(f"Accepted, event {event}. Trading: manage.py resume all --reason …")
