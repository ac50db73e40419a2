"""PostgreSQL with TimescaleDB when the server offers it.

The packaged backend creates the extension on every connect and fails on a plain server. Here the
extension is created by ``prepare_database`` (the command, run by a superuser), and code asks
``has_timescale`` before it uses hypertables.
"""

from __future__ import annotations

from typing import Any

from psycopg.pq import TransactionStatus
from timescale.db.backends.postgresql.base import DatabaseWrapper as TimescaleWrapper

from apps.core import tenancy

TELL = "SELECT set_config(%s, %s, false)"


class DatabaseWrapper(TimescaleWrapper):
    """A connection that works on TimescaleDB and on plain PostgreSQL alike."""

    def prepare_database(self) -> None:
        """Do nothing: extensions are the business of the administrator role."""

    def create_cursor(self, name: str | None = None) -> Any:
        """Return a cursor, once the server knows whose rows may be seen."""
        self._tell_scope()
        return super().create_cursor(name)

    def _tell_scope(self) -> None:
        # What was told is kept with the connection itself: a pool hands it on to others.
        wanted = tenancy.current()
        if getattr(self.connection, "told_scope", tenancy.NOBODY) == wanted:
            return
        if self.connection.info.transaction_status == TransactionStatus.INERROR:
            return  # only a roll-back is taken now, and it reads nothing
        self.connection.execute(TELL, [tenancy.SETTING, wanted])
        self.connection.told_scope = wanted

    def _rollback(self) -> None:
        super()._rollback()
        self._forget_scope()

    def _savepoint_rollback(self, sid: str) -> None:
        super()._savepoint_rollback(sid)
        self._forget_scope()

    def _close(self) -> None:
        # A pool rolls back what is left open. Otherwise what was told holds for whoever is handed
        # the connection next, and telling the same again would cost each request a round trip.
        if self.connection is not None:
            status = self.connection.info.transaction_status
            if status != TransactionStatus.IDLE:
                self._forget_scope()
        super()._close()

    def _forget_scope(self) -> None:
        """Tell the scope anew: what was told inside of what is rolled back is gone."""
        if self.connection is not None:
            self.connection.told_scope = None
