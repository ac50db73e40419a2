"""Part of ``make soak``: each app's newest migration is taken back and run again; a line for each.

On a new database at the newest schema. 1 when one can't be taken back or run again, or the schema
is another afterwards.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def schema_of(dsn):
    """What the database consists of, as pg_dump writes it; the key of each dump left out."""
    from apps.core.lab.postgres import program

    command = [program("pg_dump"), "--schema-only", "--dbname", dsn]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return re.sub(r"^\\(un)?restrict .*$", "", said, flags=re.MULTILINE)


def columns_sorted(schema):
    """The lines of a schema without their order: a column that comes back comes last."""
    return sorted(line.strip().rstrip(",") for line in schema.splitlines())


def newest():
    """Return, for each app of ours with two migrations or more, the last but one and the last."""
    from django.apps import apps
    from django.db.migrations.loader import MigrationLoader

    names = {}
    for label, name in sorted(MigrationLoader(None).disk_migrations):
        if apps.get_app_config(label).name.startswith("apps."):
            names.setdefault(label, []).append(name)
    return {label: found[-2:] for label, found in names.items() if len(found) > 1}


def walk():
    """Take back, run again, compare, tell; in a process that is the owner of the tables."""
    from django.core.management import call_command
    from django.db import connection

    failed, before = 0, columns_sorted(schema_of(os.environ["ADMIN_DATABASE_URL"]))
    for label, (earlier, last) in newest().items():
        began, words = time.monotonic(), ""
        try:
            call_command("migrate", label, earlier, verbosity=0)
            call_command("migrate", verbosity=0)
        except Exception as error:  # noqa: BLE001 whatever it was, the others are tried too
            words = f"{type(error).__name__}: {error}"[:600]
            connection.close()
        same = not words and columns_sorted(schema_of(os.environ["ADMIN_DATABASE_URL"])) == before
        facts = {"app": label, "taken_back": last, "same_schema": same}
        facts |= {"seconds": round(time.monotonic() - began, 1)}
        facts |= {"words": words} if words else {}
        sys.stdout.write(json.dumps({"row": "migrations_back", **facts}) + "\n")
        sys.stdout.flush()
        failed |= not same
    return int(failed)


def main():
    """Start servers, migrate to the newest schema, and walk in a process of its own."""
    os.environ.setdefault("QUANTSITE_ENV", "test")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantsite.settings")
    import django

    django.setup()
    if "--walk" in sys.argv:
        return walk()
    from tests.speed.own_servers import own_servers

    with own_servers("migrations") as running:
        environment = {
            **os.environ,
            "DB_ROLE": "migrate",
            "LAB_HOME": str(running.home),
            "DATABASE_URL": running.dsn("app"),
            "MIGRATE_DATABASE_URL": running.dsn("migrate"),
            "ADMIN_DATABASE_URL": running.dsn("admin"),
            "REDIS_URL": running.redis_url,
        }
        command = [sys.executable, "-m", "tests.speed.migrations", "--walk"]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
