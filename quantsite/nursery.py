"""One import for all parts of a lab: ``python -m quantsite.nursery SOCKET``, started by it.

Site, workers, scheduler, sequencer and streams load nearly the same modules. This process loads
them once, is told what to become, splits into as many processes and ends; the lab takes those on
as children of its own. Nothing may run here that a copy can't have: a thread, a connection.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import socket
import stat
import sys
from pathlib import Path
from typing import Any

gc.set_threshold(200_000, 50, 50)  # fewer looks through what the imports leave, which all stays
SETTINGS = os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantsite.settings")

# What parts load that reads no settings: loaded while the servers start. One that is no more
# costs time only.
LIBRARIES = (
    "django.core.management",
    "django.db.models",
    "numpy",
    "psycopg_pool",
    "celery.bin.celery",
    "celery.apps.worker",
    "celery.apps.beat",
    "celery.concurrency.prefork",
    "celery.app.log",
    "kombu.transport.redis",
    "uvicorn.main",
    "uvicorn.loops.auto",
    "uvicorn.lifespan.off",
    "channels.routing",
)
SITE = (
    "celery_worker.app",
    "quantsite.urls",
    "quantsite.routing",
    "channels.auth",
    "channels.security.websocket",
)
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
ARGUMENTS_FROM, ARGUMENTS_TO = 45, 46  # of /proc/self/stat, from the state on
GO = b"g"


def main(number: int) -> None:
    """Load everything, then become what the lab asks for over the socket."""
    line = socket.socket(fileno=number)
    load(LIBRARIES)
    orders = json.loads(read_line(line) or "[]")
    if not orders:
        return
    load_site()
    refuse_what_cannot_be_copied(line)
    gc.collect()
    gc.freeze()
    numbers = []
    for order in orders:
        if not (child := os.fork()):
            become(order, line)
            return
        numbers.append(child)
    line.sendall(json.dumps(numbers).encode() + b"\n")
    os._exit(0)  # nothing of ours is to be ended twice


def load(names: tuple[str, ...]) -> None:
    """Import modules; one that isn't there is left to the part that wants it."""
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def load_site() -> None:
    """Load the apps, their tasks and pages."""
    importlib.import_module("django").setup(set_prefix=False)
    load(SITE)
    sys.modules["celery_worker.app"].app.loader.import_default_modules()


def read_line(line: socket.socket) -> str:
    """Return what the lab says; nothing when it is gone."""
    heard = b""
    while not heard.endswith(b"\n"):
        more = line.recv(65536)
        if not more:
            return ""
        heard += more
    return heard.decode()


def refuse_what_cannot_be_copied(line: socket.socket) -> None:
    """Stop when there is a thread or a connection: the lab then starts each part by itself."""
    threads = len(list(Path("/proc/self/task").iterdir()))
    sockets = [number for number in open_files() if is_socket(number) and number != line.fileno()]
    if threads > 1 or sockets:
        sys.exit(f"{threads} threads, {len(sockets)} connections: such a process is not copied")


def open_files() -> list[int]:
    """Return the numbers of the open files."""
    return [int(path.name) for path in Path("/proc/self/fd").iterdir()]


def is_socket(number: int) -> bool:
    """Tell whether an open file is a connection."""
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


# In the copies


def become(order: dict[str, Any], line: socket.socket) -> None:
    """Be a part of the lab, as if started by its command; only when the lab says so."""
    os.setsid()
    os.umask(0o077)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
    if line.recv(1) != GO or os.getppid() != order["lab"]:
        os._exit(0)
    line.close()
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, order["on_death"], 0, 0, 0)
    if os.getppid() != order["lab"]:
        os._exit(0)
    libc.prctl(PR_SET_NAME, order["name"].encode(), 0, 0, 0)
    show(order["command"])
    os.environ.clear()
    os.environ.update({"DJANGO_SETTINGS_MODULE": SETTINGS, **order["environment"]})
    read_settings_again()
    run(order["command"][1:])


def show(command: list[str]) -> None:
    """Let the list of processes show this command, where ours was."""
    fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    start, end = int(fields[ARGUMENTS_FROM]), int(fields[ARGUMENTS_TO])
    room = end - start - 1 if start else 0
    text = b"\0".join(os.fsencode(part) for part in command)[:room]
    ctypes.memmove(start, text.ljust(room, b"\0"), room)


def read_settings_again() -> None:
    """Read the settings by the environment of the part: its role, its pool, its name."""
    for name in [name for name in sys.modules if f"{name}.".startswith("quantsite.settings.")]:
        del sys.modules[name]
    importlib.import_module("quantsite.env").lab_services.cache_clear()
    found = importlib.import_module("django.conf")
    found.settings._wrapped = found.empty
    connections = importlib.import_module("django.db").connections
    for alias in list(connections.settings):
        with contextlib.suppress(AttributeError):
            del connections[alias]
    connections._settings = None
    connections.settings = connections.configure_settings(None)


def run(arguments: list[str]) -> None:
    """Run ``-m module …`` or ``file …`` as Python does."""
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main(int(sys.argv[1]))
