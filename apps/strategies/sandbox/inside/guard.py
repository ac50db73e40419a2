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

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS = 38
X86_64 = 0xC000003E
LEAST_LANDLOCK = 3
MIB = 1 << 20

# Landlock's rights: what is asked for is refused unless a rule grants it, and none grants more
# than reading files and folders of the tree.
EVERY_FILE_RIGHT = {1: 13, 2: 14, 3: 15, 4: 15}
READ_FILE, READ_DIR = 1 << 2, 1 << 3

# x86_64. What Python and numpy need to compute, read the tree and answer on open pipes.
# fmt: off
ALLOWED = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18,
    19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 32, 33, 35, 36, 37, 38, 39, 60,
    63, 72, 79, 89, 96, 97, 98, 99, 100, 102, 104, 107, 108, 110, 111, 121, 124, 131,
    186, 201, 202, 204, 217, 218, 219, 221, 228, 229, 230, 231, 257, 262, 267, 269, 270, 271,
    273, 292, 293, 309, 318, 324, 332, 334, 439,
)
# No strategy has a reason to try: other processes' memory, mounts, namespaces, kernel modules,
# keys, bpf, perf, userfaultfd, io_uring, clocks, raw ports.
DEADLY = (
    101, 103, 153, 154, 155, 159, 161, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173,
    174, 175, 176, 177, 178, 179, 180, 212, 227, 246, 248, 249, 250, 272, 298, 303, 304, 305,
    308, 310, 311, 312, 313, 320, 321, 323, 425, 426, 427, 428, 429, 430, 431, 432, 433, 442,
)
# fmt: on
CLONE, CLONE3, IOCTL, PRLIMIT, KILL, TGKILL, MMAP = 56, 435, 16, 302, 62, 234, 9
CLONE_THREAD, CLONE_NEW = 0x10000, 0x7E020000
IOCTLS = (0x5401, 0x5451, 0x5421, 0x5413)
ALLOW, DIE = 0x7FFF0000, 0x80000000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCH = 0, 4
SET_MODE_FILTER, TSYNC = 1, 1
SECCOMP, LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 317, 444, 445, 446


Instruction = tuple[int, int, int, int]


class Missing(Exception):
    """A fence that this machine does not have."""


def close_fences(limits: dict[str, int]) -> dict[str, int]:
    """Put up every fence for good; return what was found. Raises ``Missing``."""
    set_limits(limits)
    if LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise Missing("no_new_privs")
    abi = landlock()
    return {"landlock": abi, "seccomp": seccomp()}


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


def landlock() -> int:
    """Allow reading below ``/`` (the tree) and nothing else; return the version of Landlock."""
    abi = _call(LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if abi < LEAST_LANDLOCK:
        raise Missing(f"Landlock {abi}, at least {LEAST_LANDLOCK} is needed")
    attributes = struct.pack("<Q", (1 << EVERY_FILE_RIGHT.get(abi, 16)) - 1)
    attributes += struct.pack("<Q", 0b11) if abi >= 4 else b""  # binding and connecting by TCP
    attributes += struct.pack("<Q", 0b11) if abi >= 6 else b""  # abstract sockets, signals
    rules = _call(
        LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)
    )
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    _call(LANDLOCK_ADD, rules, 1, struct.pack("<Qi", READ_FILE | READ_DIR, root), 0)
    _call(LANDLOCK_RESTRICT, rules, 0)
    os.close(root)
    os.close(rules)
    return abi


def seccomp() -> int:
    """Allow the system calls of the list; return how many instructions the filter has."""
    if os.uname().machine != "x86_64":
        raise Missing(f"no list of system calls for {os.uname().machine}")
    program = _filter(os.getpid())
    code = b"".join(struct.pack("<HBBI", *one) for one in program)
    held = ctypes.create_string_buffer(code, len(code))
    head = ctypes.create_string_buffer(
        struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(held))
    )
    _call(SECCOMP, ctypes.c_uint(SET_MODE_FILTER), ctypes.c_uint(TSYNC), head)
    return len(program)


def _filter(me: int) -> list[Instruction]:
    """Return the filter; after each block that ends in a return, the number is still loaded."""
    refuse, unknown = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
    out: list[Instruction] = [
        (LOAD, 0, 0, ARCH),
        (EQUAL, 1, 0, X86_64),
        (RETURN, 0, 0, DIE),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, 0x40000000),  # the x32 calls
        (RETURN, 0, 0, DIE),
    ]
    for numbers, answer in ((ALLOWED, ALLOW), (DEADLY, DIE), ((CLONE3,), unknown)):
        # Without clone3 glibc falls back to clone, whose flags a filter can read.
        for number in numbers:
            out += [(EQUAL, 0, 1, number), (RETURN, 0, 0, answer)]
    # Threads, and nothing that is a process or a namespace of its own.
    out += [
        (EQUAL, 0, 5, CLONE),
        (LOAD, 0, 0, argument(0)),
        (ANY_BIT, 2, 0, CLONE_NEW),
        (ANY_BIT, 0, 1, CLONE_THREAD),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, refuse),
    ]
    out += [(EQUAL, 0, 2 * len(IOCTLS) + 2, IOCTL), (LOAD, 0, 0, argument(1))]
    for request in IOCTLS:
        out += [(EQUAL, 0, 1, request), (RETURN, 0, 0, ALLOW)]
    out += [(RETURN, 0, 0, refuse)]
    # Reading one's own limits; signals to oneself.
    out += only(PRLIMIT, refuse, {argument(0): 0, argument(2): 0, argument(2) + 4: 0})
    out += only(KILL, refuse, {argument(0): me})
    out += only(TGKILL, refuse, {argument(0): me})
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
