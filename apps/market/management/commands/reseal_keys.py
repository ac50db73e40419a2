"""Seal stored keys anew after SEAL_KEY got a new first key."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from apps.core import clock
from apps.core.actors import system
from apps.market import services


class Command(BaseCommand):
    """``manage.py reseal_keys``."""

    help = "Seal stored keys under the newest key of SEAL_KEY; prints how many as JSON."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seal and print."""
        count = services.reseal_provider_keys(actor=system("reseal_keys"), now=clock.now())
        self.stdout.write(json.dumps({"provider_keys": count}))
