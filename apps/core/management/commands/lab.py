"""The whole lab on this machine; what ``make run`` starts."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from apps.core.lab import options as lab
from apps.core.lab import start


class Command(BaseCommand):
    help = start.ABOUT
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        lab.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop."""
        chosen = lab.read_options(options["port"], follow_parent=options["follow_parent"])
        sys.exit(start.run(chosen))
