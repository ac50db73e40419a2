"""A small load: keep-alive connections that ask one address over and over."""

import asyncio
import time
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Load:
    """Requests per second and the times of single requests in seconds."""

    per_second: float
    p50: float
    p99: float
    body: bytes


async def _ask(reader, writer, request):
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    status = head.split(b" ", 2)[1]
    assert status == b"200", head
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return await reader.readexactly(int(value))
    raise AssertionError(f"no content-length in {head!r}")


async def _client(port, request, until, times):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    body = b""
    while time.perf_counter() < until:
        started = time.perf_counter()
        body = await _ask(reader, writer, request)
        times.append(time.perf_counter() - started)
    writer.close()
    return body


async def _load(port, path, headers, clients, seconds):
    lines = [f"GET {path} HTTP/1.1", f"Host: localhost:{port}", "Connection: keep-alive"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    times = []
    started = time.perf_counter()
    until = started + seconds
    work = asyncio.gather(*(_client(port, request, until, times) for _ in range(clients)))
    bodies = await asyncio.wait_for(work, seconds + 30)
    spent = time.perf_counter() - started
    p50, p99 = np.quantile(times, [0.5, 0.99])
    return Load(len(times) / spent, float(p50), float(p99), bodies[0])


def load(port, path, headers=None, *, clients=16, seconds=3.0):
    """Ask ``path`` from ``clients`` connections for ``seconds``."""
    return asyncio.run(_load(port, path, headers or {}, clients, seconds))
