"""Before the start: facts gathered, then judged by a pure function. Nothing is killed here."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from apps.core.lab import ports
from apps.core.lab.home import Home

OLDEST_PYTHON = (3, 11)
LEAST_DISK_MIB = 300
SHORT_DISK_MIB = 2048
LEAST_SECRET = 32
STOP, WARN, NOTE = "stop", "warn", "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to mend or to know: how bad, what was found, what to do."""

    level: str
    code: str
    message: str
    mend: str

    def __str__(self) -> str:
        """Return the finding as a person reads it."""
        return f"{self.level.upper()} {self.code}: {self.message} {self.mend}".rstrip()


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen of machine, folder and settings."""

    port: int
    home: str
    port_holder: str = ""
    free_mib: float = 10_000.0
    python: tuple[int, int] = OLDEST_PYTHON
    system: str = "Linux"
    secrets: dict[str, int] = field(default_factory=dict)
    readable_secrets: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    database_given: bool = False
    other_addresses: tuple[str, ...] = ()
    redis_given: bool = False


def gather(
    home: Home, port: int, given: dict[str, bool], leftovers: tuple[str, ...] = ()
) -> Facts:
    """Look at the machine; ``given`` tells which address variables are set."""
    others = ("MIGRATE_DATABASE_URL", "SEQUENCER_DATABASE_URL")
    return Facts(
        port=port,
        home=str(home.root),
        port_holder=ports.who_listens(port) if ports.is_taken(port) else "",
        free_mib=shutil.disk_usage(_existing(home.root)).free / 2**20,
        python=(sys.version_info.major, sys.version_info.minor),
        system=platform.system(),
        secrets=_lengths(home),
        readable_secrets=_readable(home),
        leftovers=leftovers,
        database_given=given.get("DATABASE_URL", False),
        other_addresses=tuple(name for name in others if given.get(name)),
        redis_given=given.get("REDIS_URL", False),
    )


def judge(facts: Facts) -> list[Finding]:
    """Return what stands in the way of a start, worst first, each with its mend."""
    found = [
        *_judge_machine(facts),
        *_judge_port(facts),
        *_judge_disk(facts),
        *_judge_secrets(facts),
        *_judge_addresses(facts),
    ]
    if facts.leftovers:
        message = (
            f"The last lab was killed; what it left was stopped: {', '.join(facts.leftovers)}."
        )
        found.append(Finding(NOTE, "lab.leftovers", message, ""))
    return sorted(found, key=lambda finding: (STOP, WARN, NOTE).index(finding.level))


def _judge_machine(facts: Facts) -> list[Finding]:
    if facts.python < OLDEST_PYTHON:
        message = f"This is Python {facts.python[0]}.{facts.python[1]}; 3.11 or later is needed."
        return [Finding(STOP, "lab.python", message, "Run make setup PYTHON=/path/to/python3.11.")]
    if facts.system != "Linux" and not (facts.database_given and facts.redis_given):
        message = f"The embedded servers run on Linux; this is {facts.system}."
        mend = "Set DATABASE_URL and REDIS_URL to servers of your own, or use docker compose up."
        return [Finding(STOP, "lab.platform", message, mend)]
    return []


def _judge_port(facts: Facts) -> list[Finding]:
    if not 1 <= facts.port <= 65535:
        message = f"PORT is {facts.port}; it must be between 1 and 65535."
        return [Finding(STOP, "lab.port_invalid", message, "Run make run PORT=8000.")]
    if not facts.port_holder:
        return []
    message = f"Port {facts.port} is taken by {facts.port_holder}; it is left alone."
    mend = f"Stop it yourself, or run make run PORT={facts.port + 1}."
    return [Finding(STOP, "lab.port_taken", message, mend)]


def _judge_disk(facts: Facts) -> list[Finding]:
    if facts.free_mib >= SHORT_DISK_MIB:
        return []
    message = f"{facts.free_mib:.0f} MiB are free for {facts.home}"
    mend = "Free some space (old dumps lie in its backups folder), or set LAB_HOME elsewhere."
    if facts.free_mib < LEAST_DISK_MIB:
        return [Finding(STOP, "lab.disk_full", f"{message}; {LEAST_DISK_MIB} are needed.", mend)]
    return [Finding(WARN, "lab.disk_short", f"{message}; it may not last.", mend)]


def _judge_secrets(facts: Facts) -> list[Finding]:
    found = []
    for name, length in sorted(facts.secrets.items()):
        if length < LEAST_SECRET:
            message = f"The secret {name} has {length} characters; {LEAST_SECRET} are needed."
            mend = f"Delete {facts.home}/secrets/{name}; the next start makes a new one."
            if name == "seal_key":
                mend += " Sealed provider keys must then be entered again."
            found.append(Finding(STOP, "lab.weak_secret", message, mend))
    if facts.readable_secrets:
        names = ", ".join(facts.readable_secrets)
        mend = f"Run chmod -R go-rwx {facts.home}/secrets."
        found.append(Finding(STOP, "lab.open_secret", f"Others can read: {names}.", mend))
    return found


def _judge_addresses(facts: Facts) -> list[Finding]:
    needed = ("MIGRATE_DATABASE_URL", "SEQUENCER_DATABASE_URL")
    missing = [name for name in needed if name not in facts.other_addresses]
    if not facts.database_given or not missing:
        return []
    message = f"DATABASE_URL is set, {' and '.join(missing)} not."
    mend = "Set them too (docs/DEPLOY.md lists the roles), or unset DATABASE_URL."
    return [Finding(STOP, "lab.addresses", message, mend)]


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _lengths(home: Home) -> dict[str, int]:
    paths = [home.secrets / name for name in ("secret_key", "seal_key")]
    return {p.name: len(p.read_text(encoding="utf-8").strip()) for p in paths if p.is_file()}


def _readable(home: Home) -> tuple[str, ...]:
    files = sorted(home.secrets.glob("*")) if home.secrets.is_dir() else []
    return tuple(path.name for path in files if path.stat().st_mode & 0o077)
