"""Part of ``make soak``: the ledger's sequencer and database are killed under load; one JSON line.

12 kills of the sequencer and 6 of the database (``LEDGER_KILLS`` and ``LEDGER_DATABASE_KILLS``),
16 writers. 1 when an acknowledged event was lost, doubled, or has no leaf.
"""

import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.servers.ledger_kills import strike

WRITERS = 16
FAULTS = ("lost", "twice", "without_leaf", "leaves_twice")


def main():
    """Strike, tell, and judge."""
    os.environ.setdefault("QUANTSITE_ENV", "test")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantsite.settings")
    import django

    django.setup()
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 30))
    home = Path(tempfile.mkdtemp(prefix="qs-ledger-"))
    began = time.monotonic()
    try:
        found = strike(
            home / "lab",
            sequencer=int(os.environ.get("LEDGER_KILLS") or 12),
            database=int(os.environ.get("LEDGER_DATABASE_KILLS") or 6),
            writers=WRITERS,
            seed=seed,
        )
    finally:
        shutil.rmtree(home, ignore_errors=True)
    found |= {"seed": seed, "seconds": round(time.monotonic() - began, 1)}
    sys.stdout.write(json.dumps({"row": "ledger_kills", **found}) + "\n")
    sys.stdout.flush()
    return 0 if found["verified"] and not any(found[name] for name in FAULTS) else 1


if __name__ == "__main__":
    sys.exit(main())
