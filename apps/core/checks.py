"""Configuration judged at boot: stable ids, what was found, what to do."""

from __future__ import annotations

import importlib.util
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution

TAG = "quantsite"
LEAST_SECRET = 50
VERIFIED = frozenset({"verify-full", "verify-ca"})
HERE = frozenset({"localhost", "127.0.0.1", "::1"})
LEAST_KEPT_DAYS = 7
PLUG_TABLES = ("MARKET_PROVIDERS", "BROKERS", "LLMS", "STRATEGY_LIBRARY", "TRACKERS")


@register(TAG)
def check_secrets(**_: Any) -> list[CheckMessage]:
    """Judge the keys a team deployment signs and seals with."""
    if settings.ENVIRONMENT != "prod":
        return []
    found: list[CheckMessage] = []
    if len(settings.SECRET_KEY) < LEAST_SECRET:
        message = f"SECRET_KEY has {len(settings.SECRET_KEY)} characters, {LEAST_SECRET} needed."
        hint = "Run python3 tools/make_secrets.py, or set SECRET_KEY_FILE."
        found.append(Error(message, hint=hint, id="quantsite.E001"))
    if not settings.SEAL_KEY or not all(map(_is_fernet, settings.SEAL_KEY.split(","))):
        message = "SEAL_KEY must be one or more Fernet keys, newest first, between commas."
        hint = "Run python3 tools/make_secrets.py, or set SEAL_KEY_FILE."
        found.append(Error(message, hint=hint, id="quantsite.E002"))
    if not settings.METRICS_TOKEN:
        message = "METRICS_TOKEN is not set: /metrics answers this machine only."
        hint = "Set METRICS_TOKEN_FILE for a Prometheus on another one."
        found.append(Caution(message, hint=hint, id="quantsite.W001"))
    return found


def _is_fernet(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


@register(TAG)
def check_logs(**_: Any) -> list[CheckMessage]:
    """Judge whether a team deployment's log lines go where an intruder can't take them back."""
    if settings.ENVIRONMENT != "prod" or settings.LOGS_TO:
        return []
    message = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT is not set: log lines stay on this machine."
    hint = "Name a collector elsewhere, or ship the container logs (docs/DEPLOY.md, Logs)."
    return [Caution(message, hint=hint, id="quantsite.W002")]


@register(TAG)
def check_addresses(**_: Any) -> list[CheckMessage]:
    """Judge where a team deployment looks for its servers and what it answers to."""
    if settings.ENVIRONMENT != "prod":
        return []
    found: list[CheckMessage] = []
    database = settings.DATABASES["default"]
    if not (database.get("HOST") and database.get("USER")):
        message = "The database address names no server and role."
        hint = "Set DATABASE_URL (or DATABASE_URL_FILE); with DB_ROLE=migrate its own variable."
        found.append(Error(message, hint=hint, id="quantsite.E003"))
    if "*" in settings.ALLOWED_HOSTS:
        message = "ALLOWED_HOSTS allows every name, which lets others forge links in mails."
        hint = "Name the site's hosts: ALLOWED_HOSTS=lab.example.org."
        found.append(Error(message, hint=hint, id="quantsite.E004"))
    return found


@register(TAG)
def check_ways_inside(**_: Any) -> list[CheckMessage]:
    """Judge whether a team deployment's servers on other machines are asked for TLS."""
    if settings.ENVIRONMENT != "prod":
        return []
    database, redis = settings.DATABASES["default"], urlsplit(settings.REDIS_URL)
    mode = database.get("OPTIONS", {}).get("sslmode", "")
    host = database.get("HOST", "")
    clear = []
    if host and not host.startswith("/") and host not in HERE and mode not in VERIFIED:
        clear.append(f"PostgreSQL on {host} (sslmode {mode or 'prefer'})")
    if redis.scheme == "redis" and redis.hostname not in HERE:
        clear.append(f"Redis on {redis.hostname}")
    if not clear:
        return []
    message = f"{' and '.join(clear)}: the way there is in the clear, or to whoever answers."
    hint = (
        "Ask for sslmode=verify-full and rediss:// (docs/DEPLOY.md, TLS to PostgreSQL and Redis)."
    )
    return [Caution(message, hint=hint, id="quantsite.W003")]


@register(TAG)
def check_mail(**_: Any) -> list[CheckMessage]:
    """Judge whether mail leaves this machine encrypted or not at all."""
    if settings.ENVIRONMENT != "prod" or settings.EMAIL_SECURITY in {"starttls", "tls"}:
        return []
    if settings.EMAIL_SECURITY == "none" and settings.EMAIL_HOST in HERE:
        return []
    message = f"EMAIL_SECURITY={settings.EMAIL_SECURITY} for mail to {settings.EMAIL_HOST}."
    hint = "Set it to starttls or tls; none is for a mail server on this machine."
    return [Error(message, hint=hint, id="quantsite.E007")]


@register(TAG)
def check_plugs(**_: Any) -> list[CheckMessage]:
    """Find every plug's module, without loading what it needs."""
    found: list[CheckMessage] = []
    for table in PLUG_TABLES:
        for name, line in getattr(settings, table).items():
            module = str(line.get("CLASS", "")).rpartition(".")[0]
            if not module or not _exists(module):
                message = f"{table}[{name!r}] names {line.get('CLASS')!r}, which is not there."
                hint = "Correct the line in quantsite/settings/plugs.py."
                found.append(Error(message, hint=hint, id="quantsite.E005"))
    return found


@register(TAG)
def check_retention(**_: Any) -> list[CheckMessage]:
    """Judge how long bars of a minute are kept: for ever, or for some days at least."""
    days = settings.MINUTES_KEPT_DAYS
    if days == 0 or days >= LEAST_KEPT_DAYS:
        return []
    message = f"MINUTES_KEPT_DAYS is {days}; bars of a minute would go before they are used."
    hint = f"Set 0 to keep them for ever, or {LEAST_KEPT_DAYS} days and more."
    return [Error(message, hint=hint, id="quantsite.E006")]


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
