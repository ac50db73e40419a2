"""HTTP connections that read no head without end and wait for none without end.

The parser takes heads of any length, and a connection whose head never ends stays open for ever.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 200
HEAD_SECONDS = 20.0
REFUSALS = {
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
}


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with limits for the line and headers of each request."""

    head_bytes = 0
    head_timer: asyncio.TimerHandle | None = None
    in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait so long for the first head."""
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on unless the head has become too long."""
        if self.in_head:
            self.head_bytes += len(data)
        super().data_received(data)
        if self.in_head and self.head_bytes > MAX_HEAD_BYTES:
            self._refuse(431)

    def on_message_begin(self) -> None:
        """Count from here: a connection carries more than one request."""
        super().on_message_begin()
        self._begin_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header unless there are too many."""
        if len(self.headers) >= MAX_HEADERS:
            self._refuse(431)
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the request be answered, unless it has been refused."""
        self._end_head()
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of a body, unless its request has been refused."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request, unless it has been refused."""
        if not self.transport.is_closing():
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Become a websocket, unless the request has been refused."""
        if not self.transport.is_closing():
            super().handle_websocket_upgrade()

    def _begin_head(self) -> None:
        self._end_head()
        self.in_head, self.head_bytes = True, 0
        self.head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse, 408)

    def _end_head(self) -> None:
        self.in_head = False
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def _refuse(self, status: int) -> None:
        self._end_head()
        if self.transport.is_closing():
            return
        self.logger.warning("A connection was refused with %d.", status)
        line = f"HTTP/1.1 {status} {REFUSALS[status]}\r\n"
        self.transport.write(f"{line}connection: close\r\ncontent-length: 0\r\n\r\n".encode())
        self.transport.close()
