"""LAB_HOME: every file of a lab, all folders 0700 and all secrets 0600."""

from __future__ import annotations

import base64
import json
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOCKET_PATH_LIMIT = 107
LONGEST_SOCKET = "pg/.s.PGSQL.5432.lock"
DATABASE = "quantsite"
LOGIN_ROLES = ("admin", "migrate", "app", "sequencer")
FOLDERS = ("run", "secrets", "logs", "backups", "cache", "state")


@dataclass(frozen=True, slots=True)
class Home:
    """The folders and files of one lab."""

    root: Path

    @property
    def data(self) -> Path:
        """The database's files."""
        return self.root / "postgres"

    @property
    def logs(self) -> Path:
        """What the processes say."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Locks and process numbers."""
        return self.root / "run"

    @property
    def secrets(self) -> Path:
        """Keys and passwords."""
        return self.root / "secrets"

    @property
    def backups(self) -> Path:
        """Dumps of the database."""
        return self.root / "backups"

    @property
    def state(self) -> Path:
        """What was done last, so that it isn't done again."""
        return self.root / "state"

    @property
    def services(self) -> Path:
        """The addresses that the other commands read."""
        return self.secrets / "services.json"

    def prepare(self) -> None:
        """Make the folders and the secrets that are missing; what exists stays."""
        make_folder(self.root)
        for name in FOLDERS:
            make_folder(self.root / name)
        self.once("secret_key", lambda: secrets.token_urlsafe(64))
        self.once("seal_key", new_seal_key)

    def once(self, name: str, make: Any) -> str:
        """Return the secret ``name``, made by ``make`` when it isn't there yet."""
        path = self.secrets / name
        if not path.is_file() or not path.read_text(encoding="utf-8").strip():
            write_private(path, make())
        return path.read_text(encoding="utf-8").strip()

    def passwords(self) -> dict[str, str]:
        """Return the database passwords by role, made once."""
        made = {role: secrets.token_urlsafe(24) for role in LOGIN_ROLES}
        kept = json.loads(self.once("passwords.json", lambda: json.dumps(made)))
        return {str(role): str(password) for role, password in kept.items()}

    def sockets(self) -> Path:
        """Return the 0700 folder of the unix sockets.

        It is ``run``, or, when that path is too long for a socket, a private folder under the
        system's temporary one whose name is kept in ``run/sockets``.
        """
        if len(os.fsencode(self.run / LONGEST_SOCKET)) <= SOCKET_PATH_LIMIT:
            return self.run
        note = self.run / "sockets"
        kept = Path(note.read_text(encoding="utf-8").strip()) if note.is_file() else None
        if kept is None or not is_private_folder(kept):
            kept = Path(tempfile.mkdtemp(prefix="quantsite-"))
            write_private(note, str(kept))
        return kept


def new_seal_key() -> str:
    """Return a Fernet key."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def make_folder(path: Path) -> None:
    """Make a folder that only we can enter; one that exists keeps its mode."""
    if not path.is_dir():
        path.mkdir(mode=0o700, parents=True)
        path.chmod(0o700)


def is_private_folder(path: Path) -> bool:
    """Tell whether this is a real folder of ours that nobody else may enter."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.geteuid()
        and not stat.S_IMODE(found.st_mode) & 0o077
    )


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
