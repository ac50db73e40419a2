"""Addresses that ask for TLS get it, from the server that is meant, or no connection at all.

The bundled PostgreSQL and Redis are built without TLS; a front with a certificate stands before
each and takes the encryption off.
"""

import asyncio
import contextlib
import select
import socket
import ssl
import struct
import threading

import kombu
import psycopg
import pytest
import redis
from django.db import OperationalError
from django.db.utils import ConnectionHandler

from apps.core.caches import FallbackCache
from quantsite.settings.celery import broker_url
from quantsite.settings.database import database_from
from tests.factories.certificates import certificate

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
WAIT = 30


class Front:
    """Takes connections, speaks TLS with them, and hands on to a socket in the clear."""

    def __init__(self, target, pem, *, asks=False, offers=True):
        self.target, self.asks, self.offers, self.encrypted = str(target), asks, offers, 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.socket.accept()
                near.settimeout(WAIT)
                threading.Thread(target=self.serve, args=(near,), daemon=True).start()

    def serve(self, near):
        with contextlib.suppress(OSError), near:
            if self.asks:
                assert near.recv(8) == SSL_REQUEST
                near.sendall(b"S" if self.offers else b"N")
            with self.context.wrap_socket(near, server_side=True) as outside:
                self.encrypted += 1
                with socket.socket(socket.AF_UNIX) as inside:
                    inside.connect(self.target)
                    relay(outside, inside)


def relay(outside, inside):
    """Hand on both ways, in one thread: a TLS socket is no place for two."""
    while True:
        ends = (
            [outside] if outside.pending() else select.select([outside, inside], [], [], WAIT)[0]
        )
        if not ends:
            return
        for one in ends:
            data = one.recv(65536)
            if not data:
                return
            (inside if one is outside else outside).sendall(data)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    authority = certificate(folder, "authority")
    for name in ("localhost", "elsewhere"):
        certificate(folder, name, signed_by=authority)
    return folder


@pytest.fixture
def front(keys):
    made = []

    def start(target, name="localhost", **options):
        made.append(Front(target, keys / f"{name}.pem", **options))
        return made[-1]

    yield start
    for one in made:
        one.socket.close()


def asked_of(servers, keys, port, mode="verify-full"):
    """Connect as the site's settings have it; return what the database says."""
    inside = psycopg.conninfo.conninfo_to_dict(servers.dsn("app"))
    address = {"host": "localhost", "port": port, "sslmode": mode, "gssencmode": "disable"}
    dsn = psycopg.conninfo.make_conninfo(
        **{**inside, **address, "sslrootcert": str(keys / "authority.pem")}
    )
    handler = ConnectionHandler({"default": database_from(dsn)})
    with contextlib.closing(handler["default"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        return cursor.fetchone()[0]


def test_a_database_address_that_asks_for_tls_gets_it_or_nothing(
    servers, keys, front, django_db_blocker
):
    parts = psycopg.conninfo.conninfo_to_dict(servers.dsn("app"))
    place = f"{parts['host']}/.s.PGSQL.{parts.get('port', 5432)}"
    good = front(place, asks=True)
    with django_db_blocker.unblock():
        assert asked_of(servers, keys, good.port) == "app"
    assert good.encrypted == 1
    refusals = {
        front(place, "elsewhere", asks=True): "does not match host name",
        front(place, "authority", asks=True): "match host name",
        front(place, asks=True, offers=False): "server does not support SSL",
    }
    for bad, words in refusals.items():
        with django_db_blocker.unblock(), pytest.raises(OperationalError, match=words):
            asked_of(servers, keys, bad.port)


def test_a_redis_address_that_asks_for_tls_gets_it_or_nothing(servers, keys, front):
    inside = servers.redis_url.removeprefix("unix://").partition("?")[0].rpartition("@")[2]
    good, bad = front(inside), front(inside, "elsewhere")
    asks = f"ssl_cert_reqs=required&ssl_ca_certs={keys / 'authority.pem'}"
    urls = [f"rediss://localhost:{one.port}/0?{asks}" for one in (good, bad)]

    async def live(url):
        async with redis.asyncio.Redis.from_url(url) as client:
            return await client.ping()

    assert redis.Redis.from_url(urls[0]).ping()
    assert asyncio.run(live(urls[0]))
    FallbackCache(urls[0], {}).set("tls", "kept", 5)
    with kombu.Connection(broker_url(urls[0])) as broker:
        broker.ensure_connection(max_retries=1, timeout=WAIT)
        broker.default_channel.client.ping()
    assert good.encrypted == 4
    for ask in (lambda: redis.Redis.from_url(urls[1]).ping(), lambda: asyncio.run(live(urls[1]))):
        with pytest.raises(
            redis.ConnectionError, match=r"[Hh]ostname mismatch|CERTIFICATE_VERIFY"
        ):
            ask()
    assert bad.encrypted == 0
