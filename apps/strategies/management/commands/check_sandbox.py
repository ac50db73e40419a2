"""Try whether the sandbox holds here: run the text that tries to break out."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from apps.strategies.selectors import sandbox_status


class Command(BaseCommand):
    """``manage.py check_sandbox``."""

    help = (
        "Print as JSON what the sandbox found trying to break out; exit 3 where it doesn't hold."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Make its files if need be, try it and print."""
        status = sandbox_status(fresh=True)
        self.stdout.write(json.dumps({"holds": status.holds, **asdict(status)}, indent=2))
        if not status.holds:
            sys.exit(3)
