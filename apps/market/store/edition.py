"""What the database server is, asked of itself: plain, TimescaleDB's Apache or Community part."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

ASKED = """
SELECT current_setting('server_version'),
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
    current_setting('timescaledb.license', true)
"""


@dataclass(frozen=True, slots=True)
class Edition:
    """Versions of PostgreSQL and of TimescaleDB (empty without), and the latter's licence."""

    postgresql: str
    timescaledb: str
    licence: str

    @property
    def has_hypertables(self) -> bool:
        """Whether tables are kept in chunks by time."""
        return bool(self.timescaledb)

    @property
    def is_community(self) -> bool:
        """Whether compression, policies and continuous aggregates are offered."""
        return bool(self.timescaledb) and self.licence == "timescale"

    @property
    def title(self) -> str:
        """Return the edition in words."""
        if not self.timescaledb:
            return "plain tables"
        part = "Community" if self.is_community else "Apache"
        return f"TimescaleDB {self.timescaledb} {part}"


def find_edition() -> Edition:
    """Ask the server what it offers."""
    with connection.cursor() as cursor:
        cursor.execute(ASKED)
        version, timescale, licence = cursor.fetchone()
    return Edition(str(version), timescale or "", (licence or "") if timescale else "")
