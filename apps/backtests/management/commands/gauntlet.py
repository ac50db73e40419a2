"""``manage.py gauntlet SPEC.json``: a backtest of a file of bars held against luck, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.backtests import selectors
from apps.backtests.kernel.integrity.gauntlet import USUAL
from apps.backtests.management.specifications import read_specification
from apps.core.errors import LabError


class Command(BaseCommand):
    help = (
        "Hold the backtest of a JSON file (as of backtest, with a panel of bars) "
        "against null worlds; print p-values, break-even cost and capacity."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("spec")
        parser.add_argument("--worlds", type=int, default=USUAL, metavar="N")
        parser.add_argument("--kinds", default="", help="a,b; all without")
        parser.add_argument("--nulls", action="store_true", help="print every world's figures too")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["spec"])
        try:
            body, panel = read_specification(path)
            if panel is None:
                message = f"{path} names no panel; add the file of bars, or use the run's page."
                raise CommandError(message, returncode=2)
            content = panel.read_bytes()
            kinds = [kind for kind in options["kinds"].split(",") if kind]
            found = selectors.gauntlet(body, content, panel.name, kinds, options["worlds"])
        except OSError as error:
            message = f"{error.filename or path} can't be read: {error.strerror}."
            raise CommandError(message, returncode=2) from error
        except LabError as error:
            raise CommandError(f"{error.message} [{error.code}]", returncode=2) from error
        if not options["nulls"]:
            found.pop("nulls")
        self.stdout.write(json.dumps(found, allow_nan=False))
