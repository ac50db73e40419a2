"""Migrate all or nothing: a migration that fails takes the ones before it back too."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from apps.core.checks import TAG
from apps.core.lab.upgrade import compare


class Command(BaseCommand):
    help = (
        "Run the pending migrations in one transaction, then ask the server for what its edition "
        "offers (as DB_ROLE=migrate)."
    )
    requires_system_checks = [TAG]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the option."""
        parser.add_argument("--compare", type=Path, help="write what differs as JSON; run nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate."""
        if options["compare"]:
            loader = MigrationLoader(connection)
            found = compare(loader.disk_migrations, loader.applied_migrations)
            options["compare"].write_text(json.dumps(asdict(found)), encoding="utf-8")
            return
        self.migrate(options["verbosity"])
        # By name: the core knows no other app. What fails there is kept, and stops no start.
        call_command("set_up_storage")

    def migrate(self, verbosity: int) -> None:
        """Run what is pending, all or nothing."""
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if not plan:
            self.stdout.write("Nothing to migrate.")
            return
        if all(migration.atomic for migration, _ in plan):
            with transaction.atomic():
                # Deferred constraints would leave events that later steps on the table trip over.
                connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
                call_command("migrate", interactive=False, verbosity=verbosity)
        else:
            call_command("migrate", interactive=False, verbosity=verbosity)
