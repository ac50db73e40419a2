"""Ask the database server for what its edition offers."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from apps.core import clock
from apps.market.services import storage


class Command(BaseCommand):
    """``manage.py set_up_storage``."""

    help = (
        "Set chunk lengths, and on TimescaleDB Community compression, continuous aggregates and "
        "policies (as DB_ROLE=migrate, after each migration). Safe to repeat; what fails is kept "
        "for the health page and stops nothing."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Set up and print what became of it."""
        self.stdout.write(json.dumps(storage.set_up_storage(now=clock.now())))
