"""One JSON line per log event, with request, task and order ids."""

from __future__ import annotations

import re
from typing import Any

import structlog

from quantsite import env

# Who knows the end of these addresses may join a team, take an account over, or read a sheet.
SECRET_TAIL = re.compile(
    r"((?:/|%2F)(?:join|shared|reset(?:/|%2F)key|confirm-email)(?:/|%2F))[^/?&%\s\"']+",
    re.IGNORECASE,
)

# Vendors take keys in addresses and bodies; libraries may log those.
SECRET_PART = re.compile(
    r"((?:api_?key|secret(?:_key)?|access_token)[\"']?\s*[=:]\s*[\"']?)[^&\s\"',}]+", re.IGNORECASE
)
SECRET_NAMES = frozenset({"api_key", "apikey", "authorization", "secret", "secret_key", "sealed"})


def hide_keys(_logger: Any, _method: str, event: Any) -> Any:
    """Leave keys of vendors out of a log event, whoever put them there."""
    for name, value in event.items():
        if name.lower() in SECRET_NAMES:
            event[name] = "…"
        elif isinstance(value, str) and SECRET_PART.search(value):
            event[name] = SECRET_PART.sub(r"\1…", value)
    return event


def hide_secret_links(_logger: Any, _method: str, event: Any) -> Any:
    """Leave out of a log event what makes an invitation or a reset link work."""
    for key, value in event.items():
        if isinstance(value, str) and SECRET_TAIL.search(value):
            event[key] = SECRET_TAIL.sub(r"\1…", value)
    return event


SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    hide_secret_links,
    hide_keys,
]

structlog.configure(
    processors=[*SHARED_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            "foreign_pre_chain": SHARED_PROCESSORS,
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "uvicorn.access": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
    },
}

# A system elsewhere that gets every line too: whoever breaks in here can't take them back there.
LOGS_TO = env.text("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")
if LOGS_TO:
    LOGGING["handlers"]["collector"] = {
        "class": "apps.core.telemetry.LogShipper",
        "formatter": "json",
        "address": LOGS_TO,
    }
    LOGGING["root"]["handlers"].append("collector")
