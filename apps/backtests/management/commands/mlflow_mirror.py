"""Brings finished runs to the MLflow server: ``manage.py mlflow_mirror --study NAME`` or --all."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.selectors import find_team
from apps.backtests.charts import plots
from apps.backtests.selectors.mirrors import mirror_address
from apps.backtests.services.mirrors import ask_mirrors, mirror_due
from apps.core import clock
from apps.core.actors import system
from apps.core.errors import LabError


class Command(BaseCommand):
    """Asks for all finished runs, or those of a study, and brings them there now."""

    help = "Bring finished runs to the MLflow server that MLFLOW_TRACKING_URI names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--study", help="the name of a study")
        which.add_argument("--all", action="store_true", help="every finished run")
        parser.add_argument("--team", default="", help="of one team only, by its short name")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            print(json.dumps(_mirror(options["study"] or "", options["team"])))
        except LabError as error:
            raise CommandError(error.message) from error


def _mirror(study: str, slug: str) -> dict[str, int]:
    if mirror_address() is None:
        message = "MLFLOW_TRACKING_URI is not set; name the server: http://localhost:5000."
        raise CommandError(message)
    team_id = find_team(slug).id if slug else None
    asked = ask_mirrors(actor=system("mirror", team_id), now=clock.now(), study=study)
    total = {"asked": asked, "mirrored": 0, "refused": 0, "waiting": 0}
    while True:
        found = mirror_due(draw=plots.drawn, now=clock.now)
        for name, count in found.items():
            total[name] += count
        if not found["mirrored"] + found["refused"] or found["waiting"]:
            return total
