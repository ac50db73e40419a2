"""The supervisor without Django, which it doesn't need: ``manage.py lab`` comes here first."""

from __future__ import annotations

import argparse
import signal
import sys

from apps.core.lab import processes
from apps.core.lab.options import Options, add_arguments, read_options
from apps.core.lab.supervisor import Supervisor

ABOUT = (
    "Run the whole lab on LAB_HOME and PORT: PostgreSQL, Redis, site, workers, scheduler, "
    "sequencer, streams. Ctrl-C stops all of it."
)


def main(arguments: list[str]) -> int:
    """Run the lab until it is told to stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="manage.py lab", description=ABOUT)
    add_arguments(parser)
    found = parser.parse_args(arguments)
    return run(read_options(found.port, follow_parent=found.follow_parent))


def run(options: Options) -> int:
    """Run a lab with these options."""
    if options.follow_parent:
        processes.die_with_parent(signal.SIGTERM)
    return Supervisor(options, say).run()


def say(text: str) -> None:
    """Tell the person at the terminal."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
