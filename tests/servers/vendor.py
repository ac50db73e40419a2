"""What local servers of data vendors share: routes, faults on demand, wrong twins, requests kept.

A server answers over a real socket in the vendor's format; each endpoint cites the vendor's page.
Its bars are ``truth``; ``twin`` makes it wrong in one way that a contract must notice.
"""

import json
import threading
import time
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from apps.market.kernel.columns import Actions, Columns, empty_columns, no_actions

TWINS = ("unit", "sign", "paging", "timestamp")
STATUSES = {"rate_limited": 429, "broken": 500}
ANSWERS = {
    "malformed": (b'{"rows": [{"close": 1.', "application/json"),
    "html": (b"<html>Bad Gateway</html>", "text/html"),
    "shapeless": (b'{"surprise": [["x"]]}', "application/json"),
}
RETRY_AFTER = 7
SECOND = 1_000_000
DAY = 86_400 * SECOND


@dataclass
class Truth:
    """What a right provider returns for a symbol at a timeframe."""

    bars: Columns = field(default_factory=empty_columns)
    actions: Actions = field(default_factory=no_actions)
    figures: dict = field(default_factory=dict)


def bars_at(name, ts, *, digits=2, volume_digits=0):
    """Bars at given opens that are the same on every run, with few digits, all of them clean."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    n = len(ts)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    open_ = close * np.exp(rng.normal(0, 0.004, n))
    high = np.maximum(open_, close) * (1 + rng.uniform(0.0005, 0.004, n))
    low = np.minimum(open_, close) * (1 - rng.uniform(0.0005, 0.004, n))
    volume = rng.uniform(1_000, 90_000, n)
    prices = [np.round(column, digits) for column in (open_, high, low, close)]
    return Columns(np.asarray(ts, np.int64), *prices, np.round(volume, volume_digits))


def every(seconds, first, count):
    """Opens one after the other around the clock, in microseconds."""
    return first + np.arange(count, dtype=np.int64) * int(seconds) * SECOND


class VendorServer(ThreadingHTTPServer):
    """Subclasses fill ``truth``, set ``now`` and ``key``, and name their ``routes``.

    ``routes`` maps ``"GET /path"`` (an ending ``/*`` takes the rest) to the name of a method that
    gets the call and returns a JSON-ready body, or status and body, and headers if there are any.
    ``fault`` is a name of ``STATUSES`` or ``ANSWERS``, ``slow``, ``cut``, a status in digits, or
    ``empty``, which holds for the ``data_routes`` only.
    """

    daemon_threads = True
    routes: ClassVar[dict] = {}
    data_routes: tuple = ()
    key: ClassVar[dict] = {}
    page = 50

    def __init__(self, twin=""):
        super().__init__(("127.0.0.1", 0), Handler)
        self.twin = twin
        self.fault = ""
        self.truth: dict = {}
        self.now = 0
        self.requests: list = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def allowed(self, call):
        """Tell whether the call carries the key."""
        raise NotImplementedError

    def refusal(self, status):
        """Return the body of a refusal as the vendor words it."""
        return {"message": f"refused with {status}"}

    def empty(self, call):  # noqa: ARG002
        """Return the body of a page without rows."""
        return []

    def wrong_bars(self, bars, step):
        """Return the bars as a wrong twin sees them; ``paging`` is up to the server."""
        ts, volume, prices = bars.ts, bars.volume, [bars.open, bars.high, bars.low, bars.close]
        if self.twin == "unit":
            volume = volume * 100
        if self.twin == "sign":
            prices = [-column for column in prices]
        if self.twin == "timestamp":
            ts = ts + step
        return Columns(ts, *prices, volume)

    def wrong_part(self, name, ts, values, step):
        """Return a figure, or a kind of action, as a twin sees it that is wrong in it alone.

        Such a twin is called ``name:twin``. Wrong paging loses a row here and there.
        """
        part, _, twin = self.twin.partition(":")
        if part != name or not twin:
            return ts, values
        if twin == "paging":
            kept = np.arange(len(ts)) % 31 != len(ts) % 31 - 1
            return ts[kept], values[kept]
        scale = {"unit": 100, "sign": -1}.get(twin, 1)
        return ts + (step if twin == "timestamp" else 0), values * scale

    def asked(self, *names):
        """Return the calls of these routes so far."""
        return [call for call in self.requests if call.route in names]

    def handle_error(self, request, client_address):
        """A client that gave up is part of the play."""


@dataclass
class Call:
    """One request."""

    method: str
    path: str
    query: dict
    headers: dict
    body: object = None
    route: str = ""
    rest: str = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer waits 40 ms for the client to confirm its head

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer("GET")

    def do_POST(self):
        self.answer("POST")

    def answer(self, method):
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        call = Call(method, parts.path, query, {k.lower(): v for k, v in self.headers.items()})
        call.body = body
        call.route, call.rest = self.find(method, parts.path)
        self.server.requests.append(call)
        if not call.route:
            return self.send(404, self.server.refusal(404))
        if not self.server.allowed(call):
            return self.send(401, self.server.refusal(401))
        if self.server.fault:
            done = self.misbehave(call)
            if done:
                return None
        found = getattr(self.server, call.route)(call)
        status, body, *headers = found if isinstance(found, tuple) else (200, found)
        return self.send(status, body, *headers)

    def find(self, method, path):
        for line, route in self.server.routes.items():
            verb, _, pattern = line.partition(" ")
            if verb != method:
                continue
            if pattern == path:
                return route, ""
            if pattern.endswith("/*") and path.startswith(pattern[:-1]):
                return route, path[len(pattern) - 1 :]
        return "", ""

    def misbehave(self, call):
        """Act out the fault; tell whether the call is over."""
        fault = self.server.fault
        if fault == "empty":
            if call.route not in self.server.data_routes:
                return False
            self.send(200, self.server.empty(call))
        elif fault in ANSWERS:
            self.send_raw(200, *ANSWERS[fault])
        elif fault in STATUSES or fault.isdigit():
            status = STATUSES.get(fault) or int(fault)
            after = {"Retry-After": str(RETRY_AFTER)} if status == 429 else {}
            self.send(status, self.server.refusal(status), after)
        elif fault == "slow":
            time.sleep(2.0)
            self.send(200, {})
        elif fault == "cut":
            self.close_connection = True
            self.connection.close()
        return True

    def send(self, status, body, headers=()):
        self.send_raw(status, json.dumps(body).encode(), "application/json", headers)

    def send_raw(self, status, content, kind, headers=()):
        self.send_response(status)
        for name, value in {"Content-Type": kind, **dict(headers)}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def running(server):
    """Serve until the block ends."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
