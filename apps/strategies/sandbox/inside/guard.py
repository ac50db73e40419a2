"""Inner fences of the sandbox: limits, Landlock, seccomp. Any that can't be put up ends it.

Runs within the sandbox before a user's text is known. Only the standard library, by ctypes: the
tree it lies in holds nothing that could be spared.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct

from calls import (  # type: ignore[import-not-found]  # beside this file
    ALLOWED,
    DEADLY,
    OWN,
    SOME,
    numbers,
)

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS = 38
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
LEAST_LANDLOCK = 3
MIB = 1 << 20

# Landlock's rights: what is asked for is refused unless a rule grants it, and none grants more
# than reading files and folders of the tree.
EVERY_FILE_RIGHT = {1: 13, 2: 14, 3: 15, 4: 15}
READ_FILE, READ_DIR = 1 << 2, 1 << 3

CLONE_THREAD, CLONE_NEW = 0x10000, 0x7E020000
IOCTLS = (0x5401, 0x5451, 0x5421, 0x5413)
ALLOW, DIE = 0x7FFF0000, 0x80000000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCH = 0, 4
SET_MODE_FILTER, TSYNC = 1, 1
X32 = 0x40000000


Instruction = tuple[int, int, int, int]


class Missing(Exception):
    """A fence that this machine does not have."""


def close_fences(limits: dict[str, int], readable: list[str]) -> dict[str, int]:
    """Put up every fence for good; return what was found. Raises ``Missing``.

    Parameters
    ----------
    readable
        The folders and files that may be read, and nothing else: the tree.
    """
    machine = os.uname().machine
    if machine not in ARCHITECTURES:
        raise Missing(f"no list of system calls for {machine}")
    set_limits(limits)
    if LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise Missing("no_new_privs")
    abi = landlock(readable, machine)
    return {"landlock": abi, "seccomp": seccomp(machine)}


def set_limits(limits: dict[str, int]) -> None:
    """Set the process's limits, soft and hard. Raises ``Missing``."""
    memory, seconds = limits["memory"], limits["cpu_seconds"]
    wanted = {
        "AS": memory,
        "DATA": memory,
        "CPU": seconds,
        "FSIZE": 0,
        "NOFILE": 64,
        "NPROC": limits["threads"],
        "CORE": 0,
        "STACK": 16 * MIB,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
    }
    for name, value in wanted.items():
        hard = value + 1 if name == "CPU" else value
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, hard))
        except (ValueError, OSError) as error:
            raise Missing(f"limit {name}: {error}") from None


def landlock(readable: list[str], machine: str) -> int:
    """Allow reading below some paths and nothing else; return the version of Landlock."""
    own = numbers(OWN, machine)
    make = own["landlock_create_ruleset"]
    abi = _call(make, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if abi < LEAST_LANDLOCK:
        raise Missing(f"Landlock {abi}, at least {LEAST_LANDLOCK} is needed")
    attributes = struct.pack("<Q", (1 << EVERY_FILE_RIGHT.get(abi, 16)) - 1)
    attributes += struct.pack("<Q", 0b11) if abi >= 4 else b""  # binding and connecting by TCP
    attributes += struct.pack("<Q", 0b11) if abi >= 6 else b""  # abstract sockets, signals
    rules = _call(make, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    for path in readable:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rights = READ_FILE | READ_DIR if os.path.isdir(path) else READ_FILE  # noqa: PTH112 light
        _call(own["landlock_add_rule"], rules, 1, struct.pack("<Qi", rights, place), 0)
        os.close(place)
    _call(own["landlock_restrict_self"], rules, 0)
    os.close(rules)
    return abi


def seccomp(machine: str) -> int:
    """Allow the system calls of the list; return how many instructions the filter has."""
    program = instructions(os.getpid(), machine)
    code = b"".join(struct.pack("<HBBI", *one) for one in program)
    held = ctypes.create_string_buffer(code, len(code))
    head = ctypes.create_string_buffer(
        struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(held))
    )
    number = numbers(OWN, machine)["seccomp"]
    _call(number, ctypes.c_uint(SET_MODE_FILTER), ctypes.c_uint(TSYNC), head)
    return len(program)


def instructions(me: int, machine: str) -> list[Instruction]:
    """Return the filter; after each block that ends in a return, the number is still loaded."""
    refuse, unknown = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
    some = numbers(SOME, machine)
    out: list[Instruction] = [
        (LOAD, 0, 0, ARCH),
        (EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, DIE),
        (LOAD, 0, 0, NUMBER),
    ]
    if machine == "x86_64":
        out += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, DIE)]
    allowed, deadly = (numbers(table, machine).values() for table in (ALLOWED, DEADLY))
    # Without clone3 glibc falls back to clone, whose flags a filter can read.
    for block, answer in ((allowed, ALLOW), (deadly, DIE), ((some["clone3"],), unknown)):
        for number in block:
            out += [(EQUAL, 0, 1, number), (RETURN, 0, 0, answer)]
    # Threads, and nothing that is a process or a namespace of its own.
    out += [
        (EQUAL, 0, 5, some["clone"]),
        (LOAD, 0, 0, argument(0)),
        (ANY_BIT, 2, 0, CLONE_NEW),
        (ANY_BIT, 0, 1, CLONE_THREAD),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, refuse),
    ]
    out += [(EQUAL, 0, 2 * len(IOCTLS) + 2, some["ioctl"]), (LOAD, 0, 0, argument(1))]
    for request in IOCTLS:
        out += [(EQUAL, 0, 1, request), (RETURN, 0, 0, ALLOW)]
    out += [(RETURN, 0, 0, refuse)]
    # Reading one's own limits; signals to oneself.
    own_limits = {argument(0): 0, argument(2): 0, argument(2) + 4: 0}
    out += only(some["prlimit64"], refuse, own_limits)
    out += only(some["kill"], refuse, {argument(0): me})
    out += only(some["tgkill"], refuse, {argument(0): me})
    return [*out, (RETURN, 0, 0, refuse)]


def argument(index: int) -> int:
    """Return where the lower half of a system call's argument lies."""
    return 16 + 8 * index


def only(number: int, refuse: int, tests: dict[int, int]) -> list[Instruction]:
    """Return a block that allows ``number`` when the words at those places are these."""
    out: list[Instruction] = [(EQUAL, 0, 2 * len(tests) + 2, number)]
    for k, (place, value) in enumerate(tests.items()):
        out += [(LOAD, 0, 0, place), (EQUAL, 0, 2 * (len(tests) - k - 1) + 1, value)]
    return [*out, (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, refuse)]


def _call(number: int, *arguments: object) -> int:
    found = LIBC.syscall(ctypes.c_long(number), *arguments)
    if found < 0:
        code = ctypes.get_errno()
        raise Missing(f"system call {number}: {os.strerror(code)}")
    return int(found)
