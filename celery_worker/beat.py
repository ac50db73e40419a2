"""The scheduler: ``python -m celery_worker.beat FILE``. It sends tasks by name and loads none.

Celery's own command imports every task first, which is most of a second start.
"""

from __future__ import annotations

import sys

from celery_worker.app import app


def main(schedule: str) -> None:
    """Send what is due until told to stop; ``schedule`` is the file of the last times."""
    app.loader.worker_initialized = True
    app.Beat(schedule=schedule, loglevel="WARNING", quiet=True).run()


if __name__ == "__main__":
    main(sys.argv[1])
