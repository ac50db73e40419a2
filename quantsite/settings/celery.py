"""Celery and Redis."""

from __future__ import annotations

from quantsite import env

REDIS_URL = env.redis_url() or "redis://127.0.0.1:6379/0"


def broker_url(url: str) -> str:
    """Return the Celery spelling of a Redis address; unix sockets are named differently there."""
    if not url.startswith("unix://"):
        return url
    rest = url.removeprefix("unix://")
    credentials, _, path = rest.rpartition("@") if "@" in rest else ("", "", rest)
    path, _, query = path.partition("?")
    number = query.removeprefix("db=") or "0"
    password = f"&password={credentials.partition(':')[2]}" if credentials else ""
    return f"redis+socket://{path}?virtual_host={number}{password}"


CELERY_BROKER_URL = broker_url(REDIS_URL)
CELERY_RESULT_BACKEND = None  # jobs live in PostgreSQL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_DEFAULT_QUEUE = "io"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
}
