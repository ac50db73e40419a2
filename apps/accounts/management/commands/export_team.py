"""Write a team's data into a zip: ``manage.py export_team SLUG FILE``."""

from __future__ import annotations

import base64
import json
import sys
import zipfile
from typing import Any

from django.core.management import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from apps.accounts import selectors
from apps.core.errors import LabError


class Encoder(DjangoJSONEncoder):
    """Bytes, of artifacts and reports, are written in base64."""

    def default(self, o: Any) -> Any:
        """Return what JSON has for what it lacks."""
        if isinstance(o, bytes | memoryview):
            return base64.b64encode(o).decode()
        return super().default(o)


class Command(BaseCommand):
    """One file of JSON lines per table; bars are had by the doors of market."""

    help = "Write a team's rows into a zip, one file of JSON lines per table"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("file")

    def handle(self, *args: Any, **options: Any) -> None:
        counts = {}
        try:
            team = selectors.find_team(options["slug"])
        except LabError as error:
            self.stderr.write(error.message)
            sys.exit(2)
        with zipfile.ZipFile(options["file"], "w", zipfile.ZIP_DEFLATED) as file:
            for name, rows in selectors.export_team(team.id):
                lines = (json.dumps(row, cls=Encoder) for row in rows)
                file.writestr(f"{name}.jsonl", "\n".join(lines) + "\n")
                counts[name] = len(rows)
        self.stdout.write(json.dumps(counts))
