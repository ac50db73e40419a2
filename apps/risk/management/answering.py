"""Commands that answer in JSON, or say on the error stream what is wrong with what they got."""

from __future__ import annotations

import sys
from typing import Any

import orjson
from django.core.management.base import BaseCommand

from apps.core.errors import LabError

BAD_INPUT = 2


class AnsweringCommand(BaseCommand):
    """Writes ``answer`` as JSON; bad input ends it with exit code 2."""

    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            answer = self.answer(options)
        except LabError as error:
            self.stderr.write(f"{error.message} [{error.code}]")
            sys.exit(BAD_INPUT)
        self.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())

    def answer(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return what to write. Raises ``LabError`` for bad input."""
        raise NotImplementedError
