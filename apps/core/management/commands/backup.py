"""Dump the database of the lab."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.core import clock
from apps.core.lab import upgrade
from apps.core.lab.home import Home
from apps.core.lab.servers import embedded_servers
from apps.core.management.commands.prepare_database import admin_address


class Command(BaseCommand):
    help = "Write a dump of the database to LAB_HOME/backups; the lab may run meanwhile."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Dump and tell where."""
        home = Home(settings.LAB_HOME)
        home.prepare()
        with administrator() as dsn:
            path = upgrade.dump(dsn, home, now=clock.now())
        self.stdout.write(str(path))
        self.stderr.write(f"{path.stat().st_size / 2**20:.1f} MiB. Back: make restore FILE={path}")


@contextlib.contextmanager
def administrator() -> Iterator[str]:
    """Give the administrator's address: ADMIN_DATABASE_URL's, or the embedded server's."""
    if given := admin_address():
        yield given
        return
    with embedded_servers(settings.LAB_HOME) as found:
        yield found.postgres.dsn("admin")
