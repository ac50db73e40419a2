"""Run the ledger's sequencer until it is told to stop."""

from __future__ import annotations

import os
import signal
import socket
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.audit import services
from apps.audit.errors import LedgerDamaged
from apps.core import alive, clock
from apps.core.errors import LabError

TELL_EVERY = timedelta(seconds=5)


class Command(BaseCommand):
    help = (
        "Give every event of the ledger its place in the tree and sign the tree's head. One per "
        "database. Uses SEQUENCER_DATABASE_URL or the running lab, and the key AUDIT_KEY, or "
        "AUDIT_KEY_FILE (LAB_HOME/secrets/audit_signing_key), made on the first start."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Sequence until SIGTERM or SIGINT."""
        if not settings.SEQUENCER_DATABASE_URL:
            message = "Set SEQUENCER_DATABASE_URL, or start the lab first: make run."
            raise CommandError(message, returncode=2)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        try:
            services.sequence(
                dsn=settings.SEQUENCER_DATABASE_URL,
                paths=services.Paths(
                    Path(settings.AUDIT_KEY_FILE),
                    Path(settings.AUDIT_PUBLIC_KEY_FILE),
                    Path(settings.AUDIT_WITNESS_FILE),
                    settings.AUDIT_KEY,
                    settings.AUDIT_KEY_BEFORE,
                ),
                origin=settings.AUDIT_ORIGIN,
                wait=stop.wait,
                tell=Voice(),
            )
        except LedgerDamaged as error:
            raise CommandError(error.message, returncode=3) from error
        except LabError as error:
            raise CommandError(error.message, returncode=1) from error


class Voice:
    """Tells every few seconds that the sequencer lives, and how far it is."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self.due = clock.now()

    def __call__(self, sequencer: services.Sequencer) -> None:
        """Tell, when it is time."""
        now = clock.now()
        if now >= self.due:
            alive.tell("sequencer", self.name, now=now, size=sequencer.tree.size)
            self.due = now + TELL_EVERY
