"""``manage.py walkforward SPEC.json``: parameters fitted fold by fold on a file of bars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.backtests import selectors
from apps.backtests.management.specifications import beside, read_specification
from apps.core.errors import LabError


class Command(BaseCommand):
    help = (
        "Validate the strategy of a JSON file: the body of POST /validations, whose panel names "
        "a file of bars. Nothing is stored or counted, and nothing of it can be proposed."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("spec")
        parser.add_argument("--panel", default="", help="a file of bars in place of the spec's")
        parser.add_argument("--train", default="", help="bars, or a duration such as 2y")
        parser.add_argument("--test", default="", help="bars, or a duration such as 6mo")
        parser.add_argument("--mode", default="", choices=["", "rolling", "anchored"])

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["spec"])
        try:
            body, panel = read_specification(path)
            panel = beside(options["panel"], path) if options["panel"] else panel
            if panel is None:
                message = f"{path} names no file of bars; add panel to it, or give --panel FILE."
                raise CommandError(message, returncode=2)
            asked = {name: options[name] for name in ("train", "test", "mode") if options[name]}
            body["plan"] = {**body.get("plan", {}), **asked}
            result = selectors.validate(body, content=panel.read_bytes(), name=panel.name)
        except OSError as error:
            message = f"{error.filename or path} can't be read: {error.strerror}."
            raise CommandError(message, returncode=2) from error
        except LabError as error:
            raise CommandError(f"{error.message} [{error.code}]", returncode=2) from error
        self.stdout.write(json.dumps(result, allow_nan=False))
