"""Become a server: leave root in a user namespace, die with the supervisor, then exec.

Run as a script of its own (``python -I -S launch.py PARENT SIGNAL ROOT PROGRAM …``), because it
must happen in the child between fork and exec, where a threaded Python may not run safely.
ROOT is ``keep``, ``namespace`` or ``uid:NUMBER``.
"""

from __future__ import annotations

import ctypes
import os
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
INSIDE_UID = 1000


def enter_namespace() -> None:
    """Be an ordinary user inside and the same user as before outside: no file changes hands.

    Raises ``OSError`` when the kernel refuses user namespaces.
    """
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"user namespaces are refused: {os.strerror(number)}")
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{INSIDE_UID} {uid} 1"),
        ("gid_map", f"{INSIDE_UID} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 kept light
            file.write(line)


def become(uid: int) -> None:
    """Become the unprivileged user ``uid`` for good."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def follow_parent(parent: int, number: int) -> None:
    """Have the kernel send signal ``number`` when the parent dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)


def main(arguments: list[str]) -> None:
    """Do what the arguments say and exec the program, whose path is whole.

    Nothing may be imported any more once the user has changed: Python itself may be out of reach.
    """
    parent, number, root, *command = arguments
    if root == "namespace":
        enter_namespace()
    elif root.startswith("uid:"):
        become(int(root.removeprefix("uid:")))
    if number != "0":
        follow_parent(int(parent), int(number))
    os.umask(0o077)
    os.execv(command[0], command)  # noqa: S606 no shell wanted


if __name__ == "__main__":
    main(sys.argv[1:])
