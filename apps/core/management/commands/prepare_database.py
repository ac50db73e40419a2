"""Make roles, rights, extension and ledger on any PostgreSQL, as its administrator."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from apps.core.lab.options import variable
from apps.core.lab.postgres import PostgresServer
from apps.core.lab.roles import LOGINS, prepare_database

VARIABLES = {"app": "DATABASE_URL", "migrate": "MIGRATE_DATABASE_URL"}


def admin_address() -> str:
    """Return ADMIN_DATABASE_URL, pointed at the database of DATABASE_URL; empty when not set."""
    admin, app = variable("ADMIN_DATABASE_URL"), variable("DATABASE_URL")
    if not admin or not app:
        return admin
    return make_conninfo(admin, dbname=str(conninfo_to_dict(app)["dbname"]))


class Command(BaseCommand):
    help = (
        "Prepare the server of ADMIN_DATABASE_URL (or the embedded one) for Quantsite: roles with "
        "the passwords of DATABASE_URL, MIGRATE_DATABASE_URL and SEQUENCER_DATABASE_URL, rights, "
        "TimescaleDB where offered, the ledger. Safe to repeat."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare the database and tell what was found."""
        if admin := variable("ADMIN_DATABASE_URL"):
            addresses = self.addresses()
            database = str(conninfo_to_dict(addresses["app"])["dbname"])
            passwords = {
                role: str(conninfo_to_dict(dsn)["password"]) for role, dsn in addresses.items()
            }
            done = prepare_database(admin, passwords, database=database)
        else:
            server = PostgresServer(settings.LAB_HOME)
            if server.found() is None:
                message = (
                    "No ADMIN_DATABASE_URL is set and no embedded server runs on "
                    f"{settings.LAB_HOME}; set it, or start the lab with make run."
                )
                raise CommandError(message)
            done = prepare_database(server.dsn("admin", "postgres"), server.home.passwords())
        edition = f"TimescaleDB {done['timescale']}" if done["timescale"] else "plain PostgreSQL"
        self.stdout.write(f"Prepared: {edition}; ledger files: {', '.join(done['ledger'])}")

    def addresses(self) -> dict[str, str]:
        """Return the address of each login role. Raises ``CommandError`` for one without."""
        found = {}
        for role in LOGINS:
            name = VARIABLES.get(role, f"{role.upper()}_DATABASE_URL")
            dsn = variable(name)
            parts = conninfo_to_dict(dsn) if dsn else {}
            if not parts.get("password") or not parts.get("dbname"):
                message = f"{name} must name user, password and database for the role {role}."
                raise CommandError(message)
            found[role] = dsn
        return found
