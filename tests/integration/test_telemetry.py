"""Traces of requests and order steps reach an OTLP collector."""

import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).parents[2]
CODE = """
import asyncio
from quantsite.asgi import application
from apps.core import telemetry
from opentelemetry import trace

sent = []
async def receive(): return {"type": "http.request", "body": b"", "more_body": False}
async def send(message): sent.append(message)
scope = {
    "type": "http", "method": "GET", "path": "/health", "raw_path": b"/health",
    "query_string": b"token=s3cret-of-a-guest",
    "headers": [(b"host", b"localhost")], "http_version": "1.1",
    "scheme": "http", "client": ("127.0.0.1", 1), "server": ("localhost", 80), "asgi": {},
}
asyncio.run(application(scope, receive, send))
assert sent[0]["status"] == 200, sent
with telemetry.span("order.submit", order_id="o-1"):
    pass
trace.get_tracer_provider().force_flush()
"""


class Collector(http.server.BaseHTTPRequestHandler):
    got: ClassVar[list] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        """Stay quiet."""


def test_requests_and_orders_are_traced():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        **os.environ,
        "QUANTSITE_ENV": "test",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    server.shutdown()
    assert done.returncode == 0, done.stderr[-2000:]
    spans = b"".join(body for path, body in Collector.got if path == "/v1/traces")
    assert b"order.submit" in spans
    assert b"o-1" in spans
    assert b"GET" in spans
    assert b"quantsite-web" in spans
    assert b"/health" in spans
    assert b"s3cret" not in spans
