"""PostgreSQL with TimescaleDB when the server offers it.

The packaged backend creates the extension on every connect and fails on a plain server. Here the
extension is created by ``prepare_database`` (the command, run by a superuser), and code asks
``has_timescale`` before it uses hypertables.
"""

from __future__ import annotations

from timescale.db.backends.postgresql.base import DatabaseWrapper as TimescaleWrapper


class DatabaseWrapper(TimescaleWrapper):
    """A connection that works on TimescaleDB and on plain PostgreSQL alike."""

    def prepare_database(self) -> None:
        """Do nothing: extensions are the business of the administrator role."""
