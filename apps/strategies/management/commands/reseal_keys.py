"""Seal stored keys anew after SEAL_KEY got a new first key."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from apps.accounts.services import reseal_second_factors
from apps.core import clock
from apps.core.actors import system
from apps.market.services import reseal_provider_keys
from apps.strategies.services.alert_targets import reseal_alert_targets


class Command(BaseCommand):
    """``manage.py reseal_keys``."""

    help = "Seal stored keys under the newest key of SEAL_KEY; prints how many as JSON."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seal and print."""
        actor, now = system("reseal_keys"), clock.now()
        count = {
            "provider_keys": reseal_provider_keys(actor=actor, now=now),
            "alert_targets": reseal_alert_targets(actor=actor, now=now),
            "second_factors": reseal_second_factors(actor=actor, now=now),
        }
        self.stdout.write(json.dumps(count))
