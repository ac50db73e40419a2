"""The environment, read in one place: variables first, then the files in LAB_HOME."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent


def text(name: str, default: str = "") -> str:
    """Return a variable, or the content of the file that ``NAME_FILE`` points to."""
    if path := os.environ.get(f"{name}_FILE"):
        return Path(path).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)


def number(name: str, default: int) -> int:
    """Return a variable as a whole number."""
    return int(os.environ.get(name) or default)


def flag(name: str, *, default: bool = False) -> bool:
    """Return a variable as a truth value."""
    return os.environ.get(name, str(default)).lower() in {"1", "true", "yes", "on"}


def lab_home() -> Path:
    """Return the folder that holds all state of the embedded lab."""
    return Path(os.environ.get("LAB_HOME") or BASE_DIR / ".lab").resolve()


def sandbox_home() -> Path:
    """Return where the sandbox's files are: where its own user can read them when root starts."""
    ours = Path("/opt/quantsite-sandbox") if os.geteuid() == 0 else lab_home() / "sandbox"
    return Path(os.environ.get("SANDBOX_HOME") or ours)


@lru_cache(maxsize=1)
def lab_services() -> dict[str, Any]:
    """Return the addresses the embedded lab wrote down, or nothing when there is none.

    Shape: ``{"database": {role: dsn}, "redis": url}`` with the roles app, migrate, admin and
    sequencer.
    """
    path = lab_home() / "secrets" / "services.json"
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def database_url(role: str = "app") -> str:
    """Return the address of the database for ``role``: app, migrate, admin or sequencer."""
    names = {"app": "DATABASE_URL"}
    given = text(names.get(role, f"{role.upper()}_DATABASE_URL"))
    if given:
        return given
    if text("DATABASE_URL"):
        return ""
    return str(lab_services().get("database", {}).get(role, ""))


def redis_url() -> str:
    """Return the address of Redis: ``redis://…`` or ``unix://…``."""
    return text("REDIS_URL") or str(lab_services().get("redis", ""))


def secret(name: str) -> str:
    """Return a secret from the environment or from ``LAB_HOME/secrets/name`` in lower case."""
    if given := text(name):
        return given
    path = lab_home() / "secrets" / name.lower()
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""
