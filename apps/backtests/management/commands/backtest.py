"""``manage.py backtest SPEC.json``: a backtest computed in this process, as JSON."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from apps.backtests import selectors
from apps.backtests.management.specifications import read_specification
from apps.core.errors import LabError
from apps.core.lab.servers import embedded_servers


class Command(BaseCommand):
    help = (
        "Run the backtest of a JSON file: the body of POST /backtests; panel, orders_file, "
        "targets_file and signals_file may name files."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("spec")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["spec"])
        try:
            body, panel = read_specification(path)
            result = self.from_file(body, panel) if panel else self.from_database(body)
        except OSError as error:
            message = f"{error.filename or path} can't be read: {error.strerror}."
            raise CommandError(message, returncode=2) from error
        except LabError as error:
            raise CommandError(f"{error.message} [{error.code}]", returncode=2) from error
        self.stdout.write(json.dumps(result, allow_nan=False))

    def from_file(self, body: dict[str, Any], file: Path) -> dict[str, Any]:
        """Run on a file."""
        return selectors.simulate(body, content=file.read_bytes(), name=file.name)

    def from_database(self, body: dict[str, Any]) -> dict[str, Any]:
        """Run on stored bars; the embedded servers are started for it when none run."""
        given = os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE")
        with contextlib.ExitStack() as stack:
            if not given:
                servers = stack.enter_context(embedded_servers(Path(settings.LAB_HOME)))
                parts = conninfo_to_dict(servers.postgres.dsn("app"))
                names = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}
                found = {ours: str(parts.get(theirs) or "") for ours, theirs in names.items()}
                connection.settings_dict.update(found)
                stack.callback(connection.close)
            return selectors.simulate(body)
