"""Serves pages and REST from a few threads, one hop per request.

Django's own ASGI handler makes a thread for every request and crosses between the event loop and
that thread for each piece of middleware that is written for one side only. Everything of the lab
below the sockets is synchronous, so here the whole request runs in one of a few lasting threads,
which keep their database connections.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

BODY_SECONDS, BODY_RATE = 60.0, 20_000
Scope = MutableMapping[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class ThreadedHandler(ASGIHandler):
    """Django as an ASGI application whose requests run whole in one thread."""

    def __init__(self) -> None:
        super().__init__()
        self.threads = ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="request")

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: ARG002 the framework's signature
        """Build the chain for synchronous use."""
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Read the request, answer it in a thread; refuse a body that is too large unread."""
        gate = Gate(scope, receive, body_limit(scope))
        try:
            body = await self.read_body(gate.receive)
        except RequestAborted:
            return
        except TooLargeError:
            await refuse(send, too_large(gate.limit))
            return
        except TooSlowError:
            await refuse(send, TOO_SLOW)
            return
        loop = asyncio.get_running_loop()
        outbox = Outbox(loop, send)
        run = contextvars.copy_context().run
        await loop.run_in_executor(self.threads, run, self._serve, scope, body, outbox)
        await outbox.flush()

    def _serve(self, scope: Scope, body: Any, outbox: Outbox) -> None:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refusal = self.create_request(scope, body)
        response: Any = refusal if request is None else self.get_response(request)
        response._handler_class = self.__class__
        try:
            outbox.put(response, self.chunk_size)
        finally:
            response.close()
            body.close()


def body_limit(scope: Scope) -> int:
    """Return how many bytes a body may have: those of forms with files more than all others."""
    kind = dict(scope.get("headers", [])).get(b"content-type", b"")
    most: int = settings.BODY_MAX_BYTES
    if kind.lower().startswith(b"multipart/form-data"):
        return most
    return min(most, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


class TooLargeError(Exception):
    """A body has more bytes than are taken."""


class TooSlowError(Exception):
    """A body comes in drops, or not at all."""


class Gate:
    """Counts the bytes of a body as they come, and asks first how many were announced.

    Whoever sends nothing, or a few bytes now and then, keeps a connection and a file: a body has
    ``BODY_SECONDS`` and a second more for each ``BODY_RATE`` bytes.
    """

    def __init__(self, scope: Scope, receive: Any, limit: int) -> None:
        said = dict(scope.get("headers", [])).get(b"content-length", b"")
        self.left, self.next = limit, receive
        self.announced = int(said) if said.isdigit() else 0
        self.limit = limit
        self.began = asyncio.get_running_loop().time()

    async def receive(self) -> Any:
        """Return the next piece. Raises ``TooLargeError`` and ``TooSlowError``."""
        if self.announced > self.limit:
            raise TooLargeError
        until = self.began + BODY_SECONDS + (self.limit - self.left) / BODY_RATE
        try:
            async with asyncio.timeout_at(until):
                message = await self.next()
        except TimeoutError:
            raise TooSlowError from None
        self.left -= len(message.get("body", b""))
        if self.left < 0:
            raise TooLargeError
        return message


def too_large(limit: int) -> dict[str, Any]:
    """Return the problem of a body with too many bytes."""
    return {
        "type": "urn:quantsite:problem:body.size",
        "title": "Content Too Large",
        "status": 413,
        "detail": f"The request has more than {limit:,} bytes; cut the file into smaller ones.",
        "code": "body.size",
    }


TOO_SLOW = {
    "type": "urn:quantsite:problem:body.slow",
    "title": "Request Timeout",
    "status": 408,
    "detail": "The body of the request did not come in time; send it again, faster.",
    "code": "body.slow",
}


async def refuse(send: Send, facts: dict[str, Any]) -> None:
    """Answer with a problem and end the connection."""
    body = json.dumps(facts).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    headers += [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
    headers.append((b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": facts["status"], "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Outbox:
    """Takes an answer from its thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Send) -> None:
        self.loop, self.send = loop, send
        self.ready: list[dict[str, Any]] = []

    def put(self, response: HttpResponseBase, chunk_size: int) -> None:
        """Keep a whole answer for ``flush``; send a streamed one piece by piece."""
        if isinstance(response, FileResponse):
            response.block_size = chunk_size
        self.ready = [head_of(response)]
        if not response.streaming:
            self.ready.append(body_of(response.content, more=False))  # type: ignore[attr-defined]
            return
        for piece in response:
            self._now(body_of(piece, more=True))
        self._now(body_of(b"", more=False))

    def _now(self, message: dict[str, Any]) -> None:
        # Waiting for the loop keeps a fast producer from outrunning a slow reader.
        self.ready.append(message)
        asyncio.run_coroutine_threadsafe(self.flush(), self.loop).result()

    async def flush(self) -> None:
        """Send what is ready."""
        ready, self.ready = self.ready, []
        for message in ready:
            await self.send(message)


def head_of(response: HttpResponseBase) -> dict[str, Any]:
    """Return the first message of an answer: its status and headers."""
    headers = [(name.encode("ascii"), value.encode("latin1")) for name, value in response.items()]
    cookies = [cookie.output(header="").strip() for cookie in response.cookies.values()]
    headers += [(b"Set-Cookie", cookie.encode("ascii")) for cookie in cookies]
    return {"type": "http.response.start", "status": response.status_code, "headers": headers}


def body_of(piece: bytes, *, more: bool) -> dict[str, Any]:
    """Return one message of the body of an answer."""
    return {"type": "http.response.body", "body": piece, "more_body": more}
