"""The servers of docker-compose.yml as it starts them, with the certificates of make_secrets.

PostgreSQL is Debian's, in the folder of the TimescaleDB tests; Redis is one on the path that was
built with TLS. Where they are not, nothing is shown here.
"""

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import kombu
import psycopg
import pytest
import redis
import yaml
from django.db.utils import ConnectionHandler
from psycopg.conninfo import make_conninfo

from apps.core import clock
from apps.core.caches import FallbackCache
from apps.core.lab import upgrade
from apps.core.lab.home import Home
from apps.core.lab.roles import prepare_database
from quantsite.settings.celery import broker_url
from quantsite.settings.database import database_from
from tests.integration.test_tls_inside import Front
from tests.servers import timescale

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
WAIT = 30
TLS_OF_MINE = """
SELECT usename, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
WHERE pid = pg_backend_pid()
"""
INSIDE = "/run/secrets/tls_authority"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The secrets of a deployment."""
    place = tmp_path_factory.mktemp("deployment")
    (place / "tools").mkdir()
    script = shutil.copy(ROOT / "tools/make_secrets.py", place / "tools")
    subprocess.run([sys.executable, script], check=True, capture_output=True)
    return place / "deploy/secrets"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def here(address, made, port):
    """An address of compose, as it reads on this machine."""
    address = re.sub(r"@(\w+):\d+/", rf"@\1:{port}/", address.strip())
    return address.replace(INSIDE, str(made / "tls_authority"))


class Postgres(timescale.TimescaleServer):
    """The server with the options and the rules of docker-compose.yml."""

    def __init__(self, made):
        super().__init__()
        self.made, self.port = made, free_port()

    def start(self):
        self.outside.mkdir(mode=0o700)
        names = ("postgres_certificate", "postgres_key", "postgres_password")
        for name in names:
            shutil.copy(self.made / name, self.outside)
        shutil.copy(ROOT / "deploy/pg_hba.conf", self.outside)
        (self.outside / "postgres_key").chmod(0o600)
        for path in (self.outside, *self.outside.iterdir()):
            shutil.chown(path, *self._owner())
        arguments = SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
        password = f"--pwfile={self.inside}/postgres_password"
        data = ("-D", f"{self.inside}/data", "-U", "admin", "-N")
        self._run(f"{timescale.BIN}/initdb", *data, password, *arguments)
        self.process = subprocess.Popen(
            [*self._command(), f"{timescale.BIN}/postgres", "-D", f"{self.inside}/data"]
            + [f"-c{key}={value}" for key, value in self.settings().items()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def settings(self):
        """Those of the compose file, with its paths where they are here."""
        command = SERVICES["postgres"]["command"][2]
        found = dict(re.findall(r"-c (\w+)=(\S+)", command))
        assert found["ssl"] == "on"
        places = {
            "hba_file": "pg_hba.conf",
            "ssl_cert_file": "postgres_certificate",
            "ssl_key_file": "postgres_key",
        }
        return {
            **found,
            **timescale.FAST_AND_UNSAFE,
            **{key: f"{self.inside}/{name}" for key, name in places.items()},
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": self.inside,
            "dynamic_shared_memory_type": "mmap",
            "shared_preload_libraries": "timescaledb",
            "timescaledb.telemetry_level": "off",
        }

    @property
    def admin_dsn(self):
        return self.address("admin_database_url")

    def address(self, name, **changes):
        """An address as compose has it; the name ``postgres`` leads here."""
        given = here((self.made / name).read_text(), self.made, self.port)
        return make_conninfo(
            given, **{"hostaddr": "127.0.0.1", "gssencmode": "disable", **changes}
        )


@pytest.fixture(scope="module")
def postgres(made):
    if why := timescale.why_missing():
        pytest.skip(why)
    server = Postgres(made)
    try:
        server.start()
        roles = {"app": "", "migrate": "migrate_", "sequencer": "sequencer_"}
        passwords = {
            role: psycopg.conninfo.conninfo_to_dict(server.address(f"{name}database_url"))[
                "password"
            ]
            for role, name in roles.items()
        }
        prepare_database(server.admin_dsn, passwords)
        yield server
    finally:
        server.stop()


def test_every_role_reaches_postgresql_by_tls_alone(postgres, django_db_blocker):
    for name in ("database_url", "migrate_database_url", "sequencer_database_url"):
        handler = ConnectionHandler({"default": database_from(postgres.address(name))})
        with (
            django_db_blocker.unblock(),
            contextlib.closing(handler["default"]) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(TLS_OF_MINE)
            user, version = cursor.fetchone()
        assert user == (name.removesuffix("database_url").rstrip("_") or "app")
        assert version in {"TLSv1.2", "TLSv1.3"}


def test_whoever_does_not_ask_for_tls_or_meets_another_server_is_not_served(postgres, made):
    refused = {
        "no encryption": {"sslmode": "disable"},
        "certificate verify failed": {"sslrootcert": str(made / "redis_certificate")},
        'does not match host name "redis"': {"host": "redis"},
    }
    for words, changes in refused.items():
        with pytest.raises(psycopg.OperationalError, match=words):
            psycopg.connect(postgres.address("database_url", **changes)).close()


def test_backup_and_restore_go_over_tls(postgres, tmp_path, monkeypatch):
    """The programs are those of the folder: they need its loader and its libraries."""
    loader = f"{timescale.ROOT}/lib64/ld-linux-x86-64.so.2"
    library = timescale.ROOT / "usr/lib/x86_64-linux-gnu"
    for name in ("pg_dump", "pg_restore"):
        real = timescale.ROOT / timescale.BIN.lstrip("/") / name
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\nexec {loader} --library-path {library} {real} "$@"\n')
        program.chmod(0o755)
    monkeypatch.setenv("POSTGRES_BIN", str(tmp_path))
    home = Home(tmp_path / "lab")
    home.prepare()
    dsn = postgres.address("admin_database_url", dbname="quantsite")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        file = upgrade.dump(dsn, home, now=clock.now())
        connection.execute("UPDATE kept SET number = 8")
    aside = upgrade.restore(dsn, file, now=clock.now())
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    with psycopg.connect(make_conninfo(dsn, dbname=aside)) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (8,)


def redis_with_tls():
    """The path of a Redis that was built with TLS, where there is one."""
    program = os.environ.get("REDIS_WITH_TLS") or shutil.which("redis-server")
    if not program:
        return None
    said = subprocess.run(
        [program, "--tls-port", "x"], capture_output=True, text=True, timeout=WAIT
    )
    return None if "Bad directive" in said.stdout + said.stderr else program


@pytest.fixture
def redis_port(made, servers):
    """A Redis as compose starts it; else a front with its certificate before the bundled one."""
    program = redis_with_tls()
    if program is None:
        inside = servers.redis_url.removeprefix("unix://").partition("?")[0].rpartition("@")[2]
        pem = made.parent / "redis.pem"
        pem.write_text((made / "redis_certificate").read_text() + (made / "redis_key").read_text())
        front = Front(inside, pem)
        yield front.port, False
        front.socket.close()
        return
    port = free_port()
    command = SERVICES["redis"]["command"][2].replace("$$", "$")
    for old, new in {
        "exec redis-server": f"exec {shlex.quote(program)} --bind 127.0.0.1",
        "/run/secrets": str(made),
        "--tls-port 6379": f"--tls-port {port}",
    }.items():
        assert old in command
        command = command.replace(old, new)
    process = subprocess.Popen(["sh", "-c", command], stdout=subprocess.DEVNULL, cwd=made.parent)
    try:
        wait_for(port)
        yield port, True
    finally:
        process.terminate()
        process.wait(timeout=WAIT)


def wait_for(port):
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        time.sleep(0.05)
    raise AssertionError("Redis did not start")


@pytest.fixture
def names_lead_here(monkeypatch):
    real = socket.getaddrinfo

    def found(host, *arguments, **more):
        ours = host in {"redis", "postgres", b"redis"}
        return real("127.0.0.1" if ours else host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.mark.usefixtures("names_lead_here")
def test_redis_is_reached_by_tls_alone_and_by_its_own_name(made, redis_port):
    port, real = redis_port
    url = here((made / "redis_url").read_text(), made, port)
    if not real:  # the bundled one asks for no password
        url = re.sub(r"://:[^@]+@", "://", url)

    async def live(url):
        async with redis.asyncio.Redis.from_url(url) as client:
            return await client.ping()

    assert redis.Redis.from_url(url).ping()
    assert asyncio.run(live(url))
    FallbackCache(url, {}).set("tls", "kept", 5)
    with kombu.Connection(broker_url(url)) as broker:
        broker.ensure_connection(max_retries=1, timeout=WAIT)
        broker.default_channel.client.ping()
    other = url.replace("@redis:", "@postgres:").replace("://redis:", "://postgres:")
    with pytest.raises(redis.ConnectionError, match=r"[Hh]ostname mismatch|CERTIFICATE_VERIFY"):
        redis.Redis.from_url(other).ping()
    if real:
        clear = url.partition("?")[0].replace("rediss://", "redis://")
        with pytest.raises(redis.ConnectionError):
            redis.Redis.from_url(clear).ping()
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(re.sub(r"://:[^@]+@", "://:wrong@", url)).ping()
