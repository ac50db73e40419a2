"""The embedded servers for a while: those that run already, else our own, stopped at the end."""

from __future__ import annotations

import contextlib
import fcntl
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from apps.core.lab.home import LOGIN_ROLES, Home, write_private
from apps.core.lab.postgres import PostgresServer
from apps.core.lab.redis import RedisServer
from apps.core.lab.roles import prepare_database


@dataclass(frozen=True, slots=True)
class Servers:
    """The running pair; ``ours`` when it was started here."""

    postgres: PostgresServer
    redis: RedisServer
    ours: bool


def write_services(servers: Sequence[PostgresServer | RedisServer]) -> None:
    """Write the addresses of these servers down where every other command looks for them."""
    found: dict[str, Any] = {}
    for server in servers:
        if isinstance(server, PostgresServer):
            found["database"] = {role: server.dsn(role) for role in LOGIN_ROLES}
        else:
            found["redis"] = server.url
    text = json.dumps(found, indent=1)
    for home in {server.home for server in servers}:
        path = home.services
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_private(path, text)


def start_servers(postgres: PostgresServer, redis: RedisServer) -> None:
    """Start both side by side, wait until they answer, and write their addresses down."""
    redis.prepare()
    redis.start()
    postgres.prepare()
    postgres.start()
    redis.wait_ready()
    postgres.wait_ready()
    write_services([postgres, redis])


def stop_servers(postgres: PostgresServer, redis: RedisServer) -> None:
    """Stop what these two objects started."""
    postgres.stop()
    redis.stop()


@contextlib.contextmanager
def servers_lock(home: Path) -> Iterator[IO[str]]:
    """Open the lock file of the servers: users hold it shared, starters and stoppers alone."""
    Home(home).prepare()
    with (Home(home).run / "servers.lock").open("a") as file:
        yield file


def try_lock(file: IO[str], kind: int) -> bool:
    """Take the lock if that is possible at once."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def embedded_servers(home: Path, *, fsync: bool = True) -> Iterator[Servers]:
    """Give running, prepared servers on ``home``.

    Those of a running lab are used and left alone. Otherwise they are started here and stopped at
    the end, after the last other command that uses them.
    """
    postgres, redis = PostgresServer(home, fsync=fsync), RedisServer(home)
    with servers_lock(home) as lock:
        ours = _join_or_start(lock, postgres, redis)
        try:
            if ours:
                prepare_database(postgres.dsn("admin", "postgres"), postgres.home.passwords())
            yield Servers(postgres, redis, ours)
        finally:
            if ours:
                fcntl.flock(lock, fcntl.LOCK_EX)
                stop_servers(postgres, redis)


def _join_or_start(lock: IO[str], postgres: PostgresServer, redis: RedisServer) -> bool:
    """Join the running servers (False) or start our own (True); hold the lock shared after."""
    while True:
        if try_lock(lock, fcntl.LOCK_SH):
            if postgres.found() and redis.found():
                postgres.wait_ready()
                redis.wait_ready()
                return False
            fcntl.flock(lock, fcntl.LOCK_UN)
        if try_lock(lock, fcntl.LOCK_EX):
            start_servers(postgres, redis)
            fcntl.flock(lock, fcntl.LOCK_SH)
            return True
        time.sleep(0.05)
