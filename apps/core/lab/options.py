"""How a lab is run, from command line and environment. Nothing of Django is needed for it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from apps.core import clock

BASE = Path(__file__).resolve().parents[3]
ADDRESSES = (
    "DATABASE_URL",
    "MIGRATE_DATABASE_URL",
    "SEQUENCER_DATABASE_URL",
    "ADMIN_DATABASE_URL",
    "REDIS_URL",
)


@dataclass(frozen=True, slots=True)
class Options:
    """How a lab is run; ``addresses`` are those given in place of the embedded servers."""

    home: Path
    port: int
    base: Path = BASE
    now: Callable[[], datetime] = clock.now
    addresses: dict[str, str] = field(default_factory=dict)
    settings: str = "quantsite.settings"
    follow_parent: bool = False

    @property
    def url(self) -> str:
        """The address of the site."""
        return f"http://localhost:{self.port}"

    @property
    def static(self) -> Path:
        """The folder of the collected static files."""
        return self.home / "static"


def variable(name: str) -> str:
    """Return a variable, or what is in the file its ``_FILE`` sister names."""
    if path := os.environ.get(f"{name}_FILE"):
        return Path(path).read_text(encoding="utf-8").strip()
    return os.environ.get(name, "")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``manage.py lab``."""
    parser.add_argument("--port", type=int, default=os.environ.get("PORT") or 8000)
    parser.add_argument(
        "--follow-parent", action="store_true", help="stop when the starting process is killed"
    )


def read_options(port: int, *, follow_parent: bool = False) -> Options:
    """Return the options that arguments and environment say."""
    found = {name: variable(name) for name in ADDRESSES}
    return Options(
        home=Path(os.environ.get("LAB_HOME") or BASE / ".lab").resolve(),
        port=port,
        addresses={name: value for name, value in found.items() if value},
        settings=os.environ.get("DJANGO_SETTINGS_MODULE", "quantsite.settings"),
        follow_parent=follow_parent,
    )
