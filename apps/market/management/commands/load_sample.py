"""Load the bundled sample data; a second run does nothing."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from apps.core import clock
from apps.core.actors import system
from apps.market import services


class Command(BaseCommand):
    """``manage.py load_sample``."""

    help = "Load the bundled market data as shared datasets; prints rows added as JSON."

    def handle(self, *args: Any, **options: Any) -> None:
        """Load and print."""
        found = services.load_sample(actor=system("load_sample"), now=clock.now())
        self.stdout.write(json.dumps(found))
