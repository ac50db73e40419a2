"""OpenTelemetry: traces request → task → order, and log lines to a system elsewhere.

Traces go out when ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set, lines when
``OTEL_EXPORTER_OTLP_LOGS_ENDPOINT`` is. Without them nothing is imported, ``span`` costs nothing.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

ADDRESSES = frozenset({"http.url", "http.target", "url.full", "url.original", "http.referer"})
QUERIES = frozenset({"url.query", "http.query"})
_STARTED: dict[str, Any] = {}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# What sends lines may itself have something to say; that stays on standard error.
SENDERS = ("opentelemetry", "urllib3", "requests")


def encrypted_only(address: str, name: str) -> None:
    """Raise ``ValueError`` for an address in the clear: what we tell leaves by HTTPS only."""
    parts = urlsplit(address)
    if address and parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise ValueError(f"{name} is {address}; give an https:// address.")


def start(service: str) -> bool:
    """Begin to export traces of this process as ``service``; tell whether it was asked for."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or _STARTED:
        return bool(_STARTED)
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        encrypted_only(os.environ.get(name, ""), name)
    trace = importlib.import_module("opentelemetry.trace")
    sdk = importlib.import_module("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    resources = importlib.import_module("opentelemetry.sdk.resources")
    otlp = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    provider = sdk.TracerProvider(resource=resources.Resource({"service.name": service}))
    provider.add_span_processor(_without_queries(sdk))
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    importlib.import_module(
        "opentelemetry.instrumentation.django"
    ).DjangoInstrumentor().instrument(
        request_hook=lambda span, _request: _clean(span),
        response_hook=lambda span, _request, _response: _clean(span),
    )
    importlib.import_module(
        "opentelemetry.instrumentation.celery"
    ).CeleryInstrumentor().instrument()
    _STARTED["tracer"] = trace.get_tracer("quantsite")
    return True


def _without_queries(sdk: Any) -> Any:
    """Return a processor that takes the query string off every address as a span begins."""

    class WithoutQueries(sdk.SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002
            _clean(span)

    return WithoutQueries()


def _clean(span: Any) -> None:
    """Cut addresses at their query string: invitations and exports carry secrets there."""
    if not span.is_recording():
        return
    for name, value in dict(span.attributes or {}).items():
        if name in QUERIES:
            span.set_attribute(name, "")
        elif name in ADDRESSES and isinstance(value, str) and "?" in value:
            span.set_attribute(name, value.partition("?")[0])


@contextlib.contextmanager
def span(name: str, **attributes: Any) -> Iterator[None]:
    """Trace a step, such as an order's way, with its ids as attributes."""
    tracer = _STARTED.get("tracer")
    if tracer is None:
        yield
        return
    with tracer.start_as_current_span(name, attributes=attributes):
        yield


class LogShipper(logging.Handler):
    """Sends each line, as standard error has it, by OTLP to a collector, at most seconds later.

    Raises ``ValueError`` for an address in the clear: lines leave the machine by HTTPS only.
    """

    def __init__(self, address: str) -> None:
        encrypted_only(address, "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")
        super().__init__()  # from here on it is known to the end of the process
        self.address = address
        self.sender: Any = None
        self.provider: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a line on; a thread of the sender's own sends it."""
        if record.name.partition(".")[0] in SENDERS:
            return
        try:
            self.sender = self.sender or self._begin()
            self.sender.emit(
                timestamp=int(record.created * 1e9),
                severity_text=record.levelname,
                body=self.format(record),
            )
        except Exception:  # noqa: BLE001 a collector is no reason to stop work
            self.handleError(record)

    def flush(self) -> None:
        """Send what waits."""
        if self.provider is not None:
            self.provider.force_flush()

    def _begin(self) -> Any:
        sdk = importlib.import_module("opentelemetry.sdk._logs")
        export = importlib.import_module("opentelemetry.sdk._logs.export")
        resources = importlib.import_module("opentelemetry.sdk.resources")
        otlp = importlib.import_module("opentelemetry.exporter.otlp.proto.http._log_exporter")
        name = os.environ.get("PROCESS_NAME", "quantsite")
        self.provider = sdk.LoggerProvider(resource=resources.Resource({"service.name": name}))
        exporter = otlp.OTLPLogExporter(endpoint=self.address)
        self.provider.add_log_record_processor(export.BatchLogRecordProcessor(exporter))
        return self.provider.get_logger("quantsite")
