"""How often each test of a risk model speaks, by simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.risk.kernel import grades_power, grades_power_table

DAYS = (125, 250, 500, 1000)
LEVELS = (0.95, 0.975, 0.99)
SEED = 60
TITLE = '"""How often each test speaks at 5 %. Written by ``risk_power --write``; do not edit."""'
HEAD = """{title}

from __future__ import annotations

DAYS: tuple[int, ...] = {days}
DRAWS = {draws}
# (case, days, level): share of the samples by test.
TABLE: dict[tuple[str, int, str], dict[str, float]] = {{
"""


class Command(BaseCommand):
    help = "Simulate size and power of the tests of risk models; --write keeps the table."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--draws", type=int, default=2000)
        parser.add_argument("--days", type=int, nargs="*", default=list(DAYS))
        parser.add_argument("--write", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = {}
        for days in options["days"]:
            for level in LEVELS:
                for name, case in grades_power.CASES.items():
                    found = grades_power.rejections(case, days, level, options["draws"], SEED)
                    rows[name, days, f"{level:g}"] = found
                    shares = " ".join(f"{test} {share:.3f}" for test, share in found.items())
                    self.stdout.write(f"{days} days {level:g} {name}: {shares}")
        if options["write"]:
            text = HEAD.format(title=TITLE, days=tuple(options["days"]), draws=options["draws"])
            lines = []
            for key, found in rows.items():
                inner = "".join(f'        "{t}": {share:.4f},\n' for t, share in found.items())
                lines.append(f'    ("{key[0]}", {key[1]}, "{key[2]}"): {{\n{inner}    }},\n')
            place = Path(grades_power_table.__file__)
            place.write_text(text + "".join(lines) + "}\n")
