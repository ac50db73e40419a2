"""Traces of requests and order steps reach an OTLP collector."""

import http.server
import logging
import logging.config
import os
import runpy
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import pytest
import structlog

from apps.core import telemetry
from tests.factories.certificates import certificate

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


@pytest.fixture
def collector(tmp_path):
    """Start a collector with a certificate for a name; what it gets, and where it listens."""
    authority = certificate(tmp_path, "authority")
    servers = []

    def start(name):
        certificate(tmp_path, name, signed_by=authority)
        handler = type("Log", (Collector,), {"got": []})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.handle_error = lambda *_: None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / f"{name}.pem")
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return handler.got, f"https://localhost:{server.server_port}/v1/logs"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("name", "arrives"), [("localhost", True), ("elsewhere", False)])
def test_lines_of_the_log_go_encrypted_to_a_system_elsewhere(
    collector, tmp_path, monkeypatch, name, arrives
):
    got, address = collector(name)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "20" if arrives else "1")
    for other in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # would be believed in its place
        monkeypatch.delenv(other, raising=False)
    given = runpy.run_path(str(ROOT / "quantsite/settings/logging.py"))["LOGGING"]
    assert given["root"]["handlers"] == ["stderr", "collector"]
    configured = logging.config.DictConfigurator({**given, "loggers": {}})
    shipper = configured.configure_handler(given["handlers"]["collector"] | {"formatter": None})
    shipper.setFormatter(configured.configure_formatter(given["formatters"]["json"]))
    root = logging.getLogger()
    root.addHandler(shipper)
    try:
        structlog.get_logger("apps.core").warning("lab.said", words="hear", api_key="s3cret-key")
        logging.getLogger("a.library").error("at https://x.example/join/s3cret-of-a-guest")
        shipper.flush()
    finally:
        root.removeHandler(shipper)
        shipper.provider.shutdown()
    sent = b"".join(body for path, body in got if path == "/v1/logs")
    assert b"s3cret" not in sent
    assert [part in sent for part in (b"lab.said", b"hear", b"x.example")] == [arrives] * 3


def test_lines_of_the_log_leave_the_machine_encrypted_only():
    with pytest.raises(ValueError, match="https://"):
        telemetry.LogShipper("http://collector.example/v1/logs")
    telemetry.LogShipper("http://127.0.0.1:4318/v1/logs")


@pytest.mark.parametrize("kind", ["", "TRACES_"])
def test_traces_leave_the_machine_encrypted_only(kind, monkeypatch):
    monkeypatch.setattr(telemetry, "_STARTED", [])
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT", "http://collector.example:4318")
    with pytest.raises(ValueError, match="https://"):
        telemetry.start("tests")
