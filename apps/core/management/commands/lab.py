"""The whole lab on this machine; what ``make run`` starts."""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.core import clock
from apps.core.lab import processes
from apps.core.lab.preparation import Options
from apps.core.lab.supervisor import Supervisor
from apps.core.management.commands.prepare_database import variable

ADDRESSES = (
    "DATABASE_URL",
    "MIGRATE_DATABASE_URL",
    "SEQUENCER_DATABASE_URL",
    "ADMIN_DATABASE_URL",
    "REDIS_URL",
)


class Command(BaseCommand):
    help = (
        "Run the whole lab on LAB_HOME and PORT: PostgreSQL, Redis, site, workers, scheduler, "
        "sequencer, streams. Ctrl-C stops all of it."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8000))
        parser.add_argument(
            "--follow-parent", action="store_true", help="stop when the starting process is killed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop."""
        if options["follow_parent"]:
            processes.die_with_parent(signal.SIGTERM)
        found = {name: variable(name) for name in ADDRESSES}
        chosen = Options(
            home=Path(settings.LAB_HOME),
            base=Path(settings.BASE_DIR),
            static=Path(settings.STATIC_ROOT),
            port=options["port"],
            addresses={name: value for name, value in found.items() if value},
            now=clock.now,
        )
        sys.exit(Supervisor(chosen, self.say).run())

    def say(self, text: str) -> None:
        """Tell the person at the terminal."""
        self.stdout.write(text)
        self.stdout.flush()
