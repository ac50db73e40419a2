"""Servers of a trial's own: a new PostgreSQL and Redis, migrated, gone when it ends.

To be imported when Django is set up.
"""

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests.servers import databases


@contextmanager
def own_servers(name):
    """Start, migrate and use them until the block ends."""
    home = Path(tempfile.mkdtemp(prefix=f"qs-{name}-"))
    running = databases.Embedded(home)
    try:
        running.start()
        running.migrate()
        running.use()
        yield running
    finally:
        databases.close_connections()
        running.stop()
        shutil.rmtree(home, ignore_errors=True)
