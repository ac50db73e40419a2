"""PostgreSQL, with TimescaleDB where the server has it."""

from __future__ import annotations

from typing import Any

from psycopg.conninfo import conninfo_to_dict

from quantsite import env

SEARCH_PATH = "public,audit"
# How the server is proved to be the one meant; libpq's own words.
PASSED_ON = (
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcrl",
    "channel_binding",
    "hostaddr",
)


def database_from(dsn: str, *, pool_size: int = 0, become: str = "") -> dict[str, Any]:
    """Return a Django database entry for a libpq address; an empty one names no server.

    ``become`` is the role that each session takes on: what ``migrate`` makes belongs to ``owner``.
    """
    parts = {k: str(v) for k, v in conninfo_to_dict(dsn).items() if v is not None} if dsn else {}
    options: dict[str, Any] = {
        "options": f"-c search_path={SEARCH_PATH} -c timezone=UTC"
        + (f" -c role={become}" if become else ""),
        "connect_timeout": 5,
        "application_name": env.text("PROCESS_NAME", "quantsite"),
        **{name: parts[name] for name in PASSED_ON if name in parts},
    }
    if pool_size:
        options["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": 5}
    return {
        "ENGINE": "apps.core.timescale",
        "NAME": parts.get("dbname", "quantsite"),
        "USER": parts.get("user", ""),
        "PASSWORD": parts.get("password", ""),
        "HOST": parts.get("host", ""),
        "PORT": parts.get("port", ""),
        "CONN_MAX_AGE": 0 if pool_size else 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
        "ATOMIC_REQUESTS": False,
    }


# DB_ROLE=migrate is set by the commands that own the schema; everything else is the app role.
DB_ROLE = env.text("DB_ROLE", "app")
DATABASES = {
    "default": database_from(
        env.database_url(DB_ROLE),
        pool_size=env.number("DB_POOL_SIZE", 0),
        become="owner" if DB_ROLE == "migrate" else "",
    )
}
SEQUENCER_DATABASE_URL = env.database_url("sequencer")
