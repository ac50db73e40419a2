"""Who listens on a port, told without touching anybody."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from apps.core.lab.processes import command_of

LISTENING = "0A"


def is_taken(port: int) -> bool:
    """Tell whether nobody else could listen on the port of this machine now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno in {errno.EADDRINUSE, errno.EACCES}
    return False


def who_listens(port: int) -> str:
    """Return the process that listens on the port in words, or why it can't be told."""
    inodes = _listening_inodes(port)
    for folder in sorted(Path("/proc").glob("[0-9]*")):
        if inodes & _socket_inodes(folder / "fd"):
            command = " ".join(command_of(int(folder.name)))[:120]
            return f"process {folder.name} ({command})"
    return "a process of another user" if inodes else "a process that can't be seen from here"


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{name}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _socket_inodes(folder: Path) -> set[str]:
    found: set[str] = set()
    try:
        names = os.listdir(folder)  # noqa: PTH208 hundreds of entries, read often
    except OSError:
        return found
    for name in names:
        try:
            target = os.readlink(folder / name)  # noqa: PTH115 the same
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found
