"""Connections that follow no rules: heads and bodies without end, slow ones, requests in others.

What is sent is written out byte for byte, to uvicorn with the lab's protocol and handler.
"""

import asyncio
import contextlib
import json
import socket

import pytest
import uvicorn
from django.http import HttpResponse

from apps.core import connections, serving

HOST = b"Host: localhost\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /asked HTTP/1.1\r\n" + HOST
CHUNKED = b"0\r\n\r\n" + SMUGGLED
# Requests whose end two readers may see at two places.
TWO_MINDED = {
    "length and chunks": POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    + CHUNKED,
    "chunks and length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 60\r\n\r\n"
    + CHUNKED,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n" + SMUGGLED,
    "length with a sign": POST + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "length in hexadecimal": POST + b"Content-Length: 0x0\r\n\r\n" + SMUGGLED,
    "chunks by another name": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED,
    "chunks, then as they are": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKED,
    "a blank before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKED,
    "a folded header": POST + b"X-A: a\r\n Content-Length: 60\r\n\r\n" + SMUGGLED,
    "a line that ends too soon": POST + b"X-A: a\nContent-Length: 60\r\n\r\n" + SMUGGLED,
    "a header that ends in CR": POST + b"X-A: a\rContent-Length: 60\r\n\r\n" + SMUGGLED,
    "a piece with a wrong length": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + SMUGGLED,
    "a length past all numbers": POST + b"Content-Length: 99999999999999999999\r\n\r\n" + SMUGGLED,
    "no name": POST + b": x\r\n\r\n" + SMUGGLED,
    "no line at all": b"\x00\xff\x00\r\n\r\n" + SMUGGLED,
}
MANY = POST + b"".join(b"X-%d: 1\r\n" % n for n in range(10_000)) + b"\r\n"
LONG = POST + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n"
ADDRESS = b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"
TOO_BIG = POST + b"Content-Type: application/json\r\nContent-Length: 104857600\r\n\r\n[1,"


@contextlib.asynccontextmanager
async def served():
    """Uvicorn in this process; yields its port and what the handler was asked."""
    asked = []

    async def application(scope, receive, send):
        asked.append(scope["path"])
        await serving.ThreadedHandler()(scope, receive, send)

    place = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application, http=connections.BoundedProtocol, lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve(sockets=[place]))
    try:
        yield place.getsockname()[1], asked
    finally:
        server.should_exit = True
        await task


async def said_to(port, sent, *, then=b""):
    """Everything that is answered until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    with contextlib.suppress(ConnectionError):
        writer.write(sent)
        await writer.drain()
        writer.write(then)
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(60):
            got = await reader.read(-1)
    writer.close()
    return got


@pytest.fixture
def site(settings):
    from django.urls import clear_url_caches, re_path

    def answered(_request):
        return HttpResponse("answered")

    class Urls:
        urlpatterns = (re_path(r"^.*$", answered),)

    settings.ROOT_URLCONF, settings.MIDDLEWARE, settings.ALLOWED_HOSTS = Urls, [], ["*"]
    clear_url_caches()
    yield
    clear_url_caches()


async def test_an_honest_request_is_answered_and_another_on_the_same_connection(site):
    ask = b"GET /one HTTP/1.1\r\n" + HOST + b"\r\n"
    last = b"POST /two HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n" + HOST + b"\r\n{}"
    async with served() as (port, asked):
        got = await said_to(port, ask + last)
    assert asked == ["/one", "/two"]
    assert got.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize("name", TWO_MINDED)
async def test_no_request_is_hidden_in_another(site, name):
    async with served() as (port, asked):
        got = await said_to(port, TWO_MINDED[name])
    assert "/smuggled" not in asked
    assert got.count(b"HTTP/1.1") <= 1
    assert got.startswith(b"HTTP/1.1 400") or not got


@pytest.mark.parametrize("sent", [MANY, LONG, ADDRESS], ids=["many headers", "long", "address"])
async def test_a_head_has_an_end(site, sent):
    async with served() as (port, asked):
        got = await said_to(port, sent)
    # Who is still sending may find the connection gone before the answer is read.
    assert not got or got.startswith(b"HTTP/1.1 431")
    assert asked == []


async def test_two_hundred_headers_are_enough_for_everybody(site):
    few = b"".join(b"X-%d: 1\r\n" % n for n in range(190))
    async with served() as (port, asked):
        got = await said_to(
            port, b"GET /few HTTP/1.1\r\nConnection: close\r\n" + HOST + few + b"\r\n"
        )
    assert got.startswith(b"HTTP/1.1 200")
    assert asked == ["/few"]


async def test_a_body_of_a_hundred_megabytes_is_refused_unread(site):
    async with served() as (port, _):
        got = await said_to(port, TOO_BIG)
    assert got.startswith(b"HTTP/1.1 413")
    assert json.loads(got.split(b"\r\n\r\n", 1)[1])["code"] == "body.size"


async def test_pieces_are_counted_too(site, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    pieces = b"".join(b"100\r\n" + b"a" * 0x100 + b"\r\n" for _ in range(5))
    async with served() as (port, _):
        got = await said_to(port, POST + b"Transfer-Encoding: chunked\r\n\r\n" + pieces)
    assert got.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", POST + b"X-A: a\r\n"], ids=["", "line", "head"]
)
async def test_a_head_that_does_not_come_is_not_waited_for(site, monkeypatch, sent):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    async with served() as (port, asked):
        got = await said_to(port, sent)
    assert got.startswith(b"HTTP/1.1 408")
    assert asked == []


async def test_a_body_that_does_not_come_is_not_waited_for(site, monkeypatch):
    monkeypatch.setattr(serving, "BODY_SECONDS", 0.1)
    async with served() as (port, _):
        got = await said_to(port, POST + b"Content-Length: 100\r\n\r\n", then=b"{")
    assert got.startswith(b"HTTP/1.1 408")
    assert json.loads(got.split(b"\r\n\r\n", 1)[1])["code"] == "body.slow"


async def test_many_who_say_nothing_keep_nobody_from_being_answered(site):
    async with served() as (port, asked):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        for _, writer in silent:
            writer.write(b"POST /asked HTTP/1.1\r\nContent-Le")
        got = await said_to(port, b"GET /b HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
        for _, writer in silent:
            writer.close()
    assert got.startswith(b"HTTP/1.1 200")
    assert asked == ["/b"]
