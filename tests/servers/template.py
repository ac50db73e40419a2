"""A migrated database made once, which every process of a run of the tests begins with a copy of.

``python -m tests.servers.template KIND FOLDER`` makes the one of a kind (``Embedded`` or
``Timescale``) in a folder; ``TEST_TEMPLATES`` names that folder to the processes. Without it each
makes its own, which takes ten seconds.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = "TEST_TEMPLATES"


def find(kind):
    """Return the folder of a template that is whole, or None."""
    place = os.environ.get(FOLDER)
    folder = Path(place) / kind if place else None
    return folder if folder and (folder / "whole").exists() else None


def copy(source, target):
    """Copy a folder with owners and modes."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True, capture_output=True)


def make(kind, folder):
    """Make the template of a kind: its servers are started, migrated, and stopped again."""
    from tests.servers import databases

    home = Path(folder) / kind
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o700, parents=True)
    running = getattr(databases, kind)(home)
    try:
        running.start()
        running.migrate()
        running.rest()
        running.keep(home)
    finally:
        running.stop()
    (home / "whole").touch()


if __name__ == "__main__":
    os.environ["QUANTSITE_ENV"] = "test"
    os.environ.pop(FOLDER, None)
    make(*sys.argv[1:])
