"""What a text might try to get out, one function each: true, or no error, where it came through.

Run as a program with ``PARAMS`` and ``NAMES`` before it, within the sandbox and without one. All
of it is harmless where it succeeds: what it touches was made for it.
"""

# ruff: noqa: ARG005, B023, BLE001, F841, PTH101, PTH102, PTH104, PTH108, PTH116, PTH123, PTH208, PTH211, S103, S605, T201
import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import sys
import threading

PARAMS = globals().get("PARAMS", {})
NAMES = globals().get("NAMES", [])
ATTEMPTS = {}
DEADLY = set()
libc = ctypes.CDLL(None, use_errno=True)


def attempt(run):
    ATTEMPTS[run.__name__] = run
    return run


def deadly(run):
    """One that ends the process within."""
    DEADLY.add(run.__name__)
    return attempt(run)


def call(number, *arguments):
    found = libc.syscall(ctypes.c_long(number), *arguments)
    if found < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return found


def many(prefix, table, make, how=attempt):
    for name, value in table.items():
        run = (lambda value: lambda: make(value))(value)
        run.__name__ = f"{prefix}_{name}"
        how(run)


def connected(family, kind, address):
    with socket.socket(family, kind) as one:
        one.settimeout(5)
        one.connect(address)
        one.send(b"x")
    return True


def opened(family, kind=socket.SOCK_STREAM):
    socket.socket(family, kind).close()
    return True


# The network, and whoever listens on this machine.
many(
    "connect",
    {
        "tcp": lambda: (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", PARAMS["tcp"])),
        "udp": lambda: (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", PARAMS["udp"])),
        "unix": lambda: (socket.AF_UNIX, socket.SOCK_STREAM, PARAMS["unix"]),
        "abstract": lambda: (socket.AF_UNIX, socket.SOCK_STREAM, "\0" + PARAMS["abstract"]),
    },
    lambda which: connected(*which()),
)
many(
    "socket",
    {
        "inet6": (10, 1),
        "netlink": (16, 3),
        "vsock": (40, 1),
        "alg": (38, 5),
        "packet": (17, 3),
        "raw": (2, 3),
        "bluetooth": (31, 3),
        "can": (29, 3),
    },
    lambda which: opened(*which),
)


@attempt
def bind_tcp():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()


@attempt
def bind_unix():
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(PARAMS["folder"] + "/bound")


@attempt
def socket_pair():
    for one in socket.socketpair():
        one.close()


@attempt
def resolve_name():
    socket.getaddrinfo("localhost", 80)


# Files, memory and places of others.
READ = {
    "secret_of_same_user": "{secret}",
    "file_of_anybody": "{open}",
    "passwd": "/etc/passwd",
    "version": "/proc/version",
    "mounts": "/proc/mounts",
    "cpus": "/proc/cpuinfo",
    "connections": "/proc/net/tcp",
    "environment_of_another": "/proc/{victim}/environ",
    "words_of_another": "/proc/{victim}/cmdline",
    "maps_of_another": "/proc/{victim}/maps",
    "status_of_another": "/proc/{victim}/status",
    "random": "/dev/urandom",
    "zero": "/dev/zero",
    "shadow": "/etc/shadow",
    "core_pattern": "/proc/sys/kernel/core_pattern",
}


def read(path):
    with open(path.format(**PARAMS), "rb") as file:
        return bool(file.read(1))


many("read", READ, read)
LIST = {
    "etc": "/etc",
    "home": "/home",
    "proc": "/proc",
    "sys": "/sys/kernel",
    "dev": "/dev",
    "tmp": "/tmp",
    "binaries": "/usr/bin",
    "folder": "{folder}",
    "descriptors_of_another": "/proc/{victim}/fd",
    "root_of_another": "/proc/{victim}/root",
}
many("list", LIST, lambda path: bool(os.listdir(path.format(**PARAMS))))


@attempt
def own_secret_in_environment():
    return "SECRET" in os.environ


@attempt
def write_memory_of_another():
    with open(f"/proc/{PARAMS['victim']}/mem", "rb+"):
        return True


WRITE = {
    "folder": "{folder}/new",
    "tmp": "/tmp/escaped-{victim}",
    "shared_memory": "/dev/shm/escaped-{victim}",
    "null": "/dev/null",
    "core_pattern": "/proc/sys/kernel/core_pattern",
    "passwd": "/etc/passwd",
    "here": "escaped",
}


def write(path):
    place = path.format(**PARAMS)
    with open(place, "ab") as file:
        file.write(b"x")
    if "escaped" in place:
        os.unlink(place)
    return True


many("write", WRITE, write)


def in_folder(name):
    return f"{PARAMS['folder']}/{name}"


many(
    "make",
    {
        "folder": lambda: os.mkdir(in_folder("made")),
        "link": lambda: os.symlink("/etc", in_folder("linked")),
        "pipe": lambda: os.mkfifo(in_folder("piped")),
        "nameless": lambda: os.close(os.open(PARAMS["folder"], os.O_RDWR | os.O_TMPFILE, 0o600)),
        "memory_file": lambda: os.close(os.memfd_create("x")),
    },
    lambda make: make() is None,
)
many(
    "change",
    {
        "mode": lambda: os.chmod(PARAMS["own"], 0o666),
        "times": lambda: os.utime(PARAMS["own"], (1, 1)),
        "length": lambda: os.truncate(PARAMS["own"], 1),
        "content": lambda: write(PARAMS["own"]),
        "name": lambda: os.rename(PARAMS["own"], PARAMS["own"] + ".moved"),
        "attributes": lambda: os.setxattr(PARAMS["secret"], "user.x", b"x"),
    },
    lambda change: change() in {None, True},
)
many(
    "probe",
    {
        "file": lambda: bool(os.stat("/etc/passwd")),
        "folder": lambda: os.access("/usr/bin/env", os.F_OK),
        "secret": lambda: bool(os.stat(PARAMS["secret"])),
        "process_by_folder": lambda: bool(os.stat(f"/proc/{PARAMS['victim']}")),
        "process_by_group": lambda: os.getpgid(PARAMS["victim"]) >= 0,
        "process_by_session": lambda: os.getsid(PARAMS["victim"]) >= 0,
    },
    lambda probe: probe(),
)


@attempt
def space_of_disk():
    return os.statvfs("/").f_blocks > 0


# Processes: more of them, and others.
@attempt
def fork():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


@attempt
def leave_a_daemon():
    child = os.fork()
    if not child:
        os.setsid()
        os._exit(0)
    os.waitpid(child, 0)


def spawned(path, *words):
    child = os.posix_spawn(path, [path, *words], {})
    return os.waitpid(child, 0)[1] == 0


many(
    "spawn",
    {
        "true": ("/bin/true",),
        "shell": ("/bin/sh", "-c", "exit 0"),
        "python": (sys.executable, "-S", "-c", "0"),
    },
    lambda words: spawned(*words),
)


@attempt
def run_a_shell():
    return os.system("exit 0") == 0


def on_victim(run):
    return run(PARAMS["victim"])


many(
    "another",
    {
        "signal": lambda pid: os.kill(pid, signal.SIGCONT),
        "signal_nothing": lambda pid: os.kill(pid, 0),
        "signal_group": lambda pid: os.killpg(PARAMS["group"], signal.SIGCONT),
        "signal_queued": lambda pid: call(
            129, pid, 0, ctypes.create_string_buffer(b"\0" * 8 + b"\xff" * 4 + b"\0" * 116, 128)
        ),
        "signal_thread": lambda pid: call(234, pid, pid, signal.SIGCONT),
        "descriptor": lambda pid: os.close(os.pidfd_open(pid)),
        "priority": lambda pid: os.setpriority(os.PRIO_PROCESS, pid, 1),
        "processors": lambda pid: os.sched_setaffinity(pid, os.sched_getaffinity(0)),
        "scheduler": lambda pid: os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0)),
        "limits": lambda pid: resource.prlimit(pid, resource.RLIMIT_NOFILE),
        "disk_priority": lambda pid: call(251, 1, pid, (2 << 13) | 7),
        "robust_list": lambda pid: call(
            274, pid, ctypes.byref(ctypes.c_void_p()), ctypes.byref(ctypes.c_size_t())
        ),
    },
    lambda run: on_victim(run) is not False,
)


def word():
    return ctypes.create_string_buffer(256)


# The kernel's further doors; none of them does harm as it is called here.
many(
    "kernel",
    {
        "ptrace": lambda: call(101, 0x4206, PARAMS["victim"], 0, 0),
        "read_memory": lambda: call(310, PARAMS["victim"], word(), 1, word(), 1, 0),
        "compare": lambda: call(312, os.getpid(), os.getpid(), 0, 0, 0),
        "key": lambda: call(250, 0, -3, 1, 0, 0),
        "add_key": lambda: call(248, b"user", b"x", b"x", 1, -2),
        "mount": lambda: call(165, b"none", b"/mnt", b"tmpfs", 0, None),
        "tree": lambda: os.close(call(428, -100, b"/", 0)),
        "filesystem": lambda: os.close(call(430, b"tmpfs", 0)),
        "chroot": lambda: call(161, b"/"),
        "namespace": lambda: call(272, 0x10000000),
        "bpf": lambda: call(321, 0, word(), 72),
        "perf": lambda: call(298, word(), 0, -1, -1, 0),
        "fault": lambda: os.close(call(323, 1)),
        "ring": lambda: os.close(call(425, 1, word())),
        "handle": lambda: call(303, -100, b"/etc", b"\x80\0\0\0" + b"\0" * 252, word(), 0),
        "clock": lambda: call(159, word()),
        "ldt": lambda: call(154, 0, word(), 64),
        "module": lambda: call(313, 0, b"", 0),
        "host_name": lambda: call(170, b"x", 1),
        "log": lambda: call(103, 10, None, 0),
        "x32": lambda: call(0x40000000 | 39),
    },
    lambda run: run() is not False,
    deadly,
)
many(
    "surface",
    {
        "shared_memory": lambda: call(31, call(29, 0, 4096, 0o600), 0, None),
        "semaphores": lambda: call(66, call(64, 0, 1, 0o600), 0, 0, None),
        "messages": lambda: call(71, call(68, 0, 0o600), 0, None),
        "personality": lambda: call(135, 0xFFFFFFFF),
        "watch": lambda: os.close(call(294, 0)),
        "process_name": lambda: call(157, 15, b"x", 0, 0, 0),
        "landlock": lambda: call(444, None, ctypes.c_size_t(0), 1),
        "policy": lambda: call(239, None, None, 0, None, 0),
        "event": lambda: os.close(call(290, 0, 0)),
        "group_of_processes": lambda: call(109, 0, os.getpgid(0)),
        "user": lambda: os.setuid(0),
        "root_group": lambda: os.setgroups([0]),
        "capabilities": lambda: call(125, b"\x22\x05\x08\x20\0\0\0\0", word()),
    },
    lambda run: run() is not False,
)


@attempt
def splice():
    (a, b), (c, d) = os.pipe(), os.pipe()
    os.write(b, b"x")
    return call(275, a, None, d, None, ctypes.c_size_t(1), 0) == 1


# More than its share.
@attempt
def many_threads():
    stop, started = threading.Event(), []
    try:
        for _ in range(150):
            one = threading.Thread(target=stop.wait, daemon=True)
            one.start()
            started.append(one)
    finally:
        stop.set()
    return True


@attempt
def much_memory():
    mmap.mmap(-1, 2 << 30).close()


@attempt
def more_processes_allowed():
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))
    return hard < 0 or hard > 1000


@attempt
def more_memory_allowed():
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))


@attempt
def longer_files_allowed():
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))


def came_through(run):
    try:
        return run() is not False
    except BaseException:
        return False


if __name__ == "__main__":
    asked = NAMES or [name for name in ATTEMPTS if name not in DEADLY]
    if PARAMS:
        print(json.dumps({name: came_through(ATTEMPTS[name]) for name in asked}), flush=True)
    else:
        print(json.dumps({"all": list(ATTEMPTS), "deadly": sorted(DEADLY)}))
