"""A text that tries to break out: a row of ones means that it did not come through anywhere.

It is run like any user's text, when a process of the lab first needs the sandbox and every hour.
"""

from __future__ import annotations

NAMES = (
    "counts", "own_files_read", "no_internet", "no_unix_socket", "no_vsock", "no_netlink",
    "no_fork", "no_exec", "no_host_file", "no_home", "no_write", "no_write_in_tree", "no_secrets",
    "no_process_list", "no_signal", "no_more_memory", "own_user",
)  # fmt: skip

TEXT = """
import ctypes, os, resource, signal, socket
import numpy as np


def stopped(attempt):
    try:
        attempt()
    except (OSError, ValueError):
        return True
    return False


def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.connect(address)


def targets(panel, params):
    more = (1 << 40, 1 << 40)
    found = [
        float(np.arange(5).sum()) == 10.0,
        open(os.__file__).read(1) != "",
        stopped(lambda: connect(socket.AF_INET, ("127.0.0.1", 22))),
        stopped(lambda: connect(socket.AF_UNIX, "/run/x")),
        stopped(lambda: connect(40, (2, 22))),
        stopped(lambda: socket.socket(16, socket.SOCK_RAW, 0)),
        stopped(os.fork),
        stopped(lambda: os.execv("/py/bin/python", ["python"])),
        stopped(lambda: open(params["secret"]).read()),
        stopped(lambda: os.listdir("/root")) and stopped(lambda: os.listdir("/home")),
        stopped(lambda: open("/tmp/x", "w")) and stopped(lambda: open("/x", "w")),
        stopped(lambda: open("/py/inside/guard.py", "a")),
        set(os.environ) <= set(params["environment"]),
        stopped(lambda: os.listdir("/proc")),
        stopped(lambda: os.kill(1, 0)),
        stopped(lambda: resource.setrlimit(resource.RLIMIT_AS, more)),
        os.getuid() == params["uid"] != 0,
    ]
    return np.array(found, dtype=float)[:, None]
"""
