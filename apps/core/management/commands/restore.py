"""Bring a dump of the database back."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.core import clock
from apps.core.errors import Invalid, LabError
from apps.core.lab import upgrade
from apps.core.lab.home import Home
from apps.core.management.commands.backup import administrator

OLDER = (
    "If the ledger has grown since this dump was made, the lab says so and trading is halted "
    "until the loss is accepted: manage.py reconcile_ledger --reason …, then manage.py resume all."
)


class Command(BaseCommand):
    help = (
        "Put a dump of make backup in place of the database. The present database is kept under "
        "another name; nothing changes when the restore fails. Stop the lab first."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the file."""
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore and tell what became of the old database."""
        try:
            with administrator() as dsn:
                aside = upgrade.restore(dsn, options["file"], now=clock.now())
        except LabError as error:
            self.stderr.write(error.message)
            sys.exit(2 if isinstance(error, Invalid) else 1)
        (Home(settings.LAB_HOME).state / "upgraded").unlink(missing_ok=True)
        self.stdout.write(f"Restored {options['file']}. The database before is kept as {aside}.")
        self.stderr.write(OLDER)
