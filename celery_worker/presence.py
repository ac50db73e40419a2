"""Workers and scheduler tell that they live; their log lines carry task and request ids."""

from __future__ import annotations

import logging.config
import os
import signal
import threading
from typing import Any

import structlog
from celery import signals
from django.conf import settings

from apps.core import alive, clock, telemetry

TELL_SECONDS = 5.0
COLD_STOP_SECONDS = 5.0
WARM_AFTER_SECONDS = 20
WARM_EXPRESSIONS_AFTER_SECONDS = 80
WARM_WITHIN_SECONDS = 600
_stop = threading.Event()


@signals.setup_logging.connect
def set_up_logging(**_: Any) -> None:
    """Log as the site does, in place of Celery's own way."""
    logging.config.dictConfig(settings.LOGGING)


@signals.worker_ready.connect
def tell_worker(sender: Any, **_: Any) -> None:
    """Tell from now on that this worker serves its queues."""
    queues = sorted(queue.name for queue in sender.task_consumer.queues)
    _keep_telling("worker", sender.hostname, queues=queues)
    if "compute" in queues and settings.ENVIRONMENT != "test":
        # Later, so that it takes nothing from the start itself; quick once it was done.
        late = {"countdown": WARM_AFTER_SECONDS, "expires": WARM_WITHIN_SECONDS}
        sender.app.send_task("backtests.warm", queue="compute", ignore_result=True, **late)
        sender.app.send_task(
            "strategies.check_sandbox", queue="compute", ignore_result=True, **late
        )
        # One after the other: a worker of two processes has one for people meanwhile.
        last = late | {"countdown": WARM_EXPRESSIONS_AFTER_SECONDS}
        sender.app.send_task("strategies.warm", queue="compute", ignore_result=True, **last)


@signals.beat_init.connect
def tell_scheduler(**_: Any) -> None:
    """Tell from now on that the scheduler runs."""
    _keep_telling("scheduler", "beat")


@signals.worker_shutting_down.connect
def tell_no_more(how: str, **_: Any) -> None:
    """Stop telling: a worker on its way out takes no new work. A cold stop may not hang."""
    _stop.set()
    if how == "Cold":
        end = threading.Timer(COLD_STOP_SECONDS, _end)
        end.daemon = True
        end.start()


def _end() -> None:
    """End this worker and, when it leads a process group of its own, its pool."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _keep_telling(kind: str, name: str, **detail: Any) -> None:
    def tell() -> None:
        alive.tell(kind, name, now=clock.now(), **detail)
        while not _stop.wait(TELL_SECONDS):
            alive.tell(kind, name, now=clock.now(), **detail)

    threading.Thread(target=tell, name=f"tell-{kind}", daemon=True).start()


@signals.worker_process_init.connect
def trace_process(**_: Any) -> None:
    """Export traces from each worker process, when asked for."""
    telemetry.start("quantsite-worker")


@signals.before_task_publish.connect
def pass_request_on(headers: dict[str, Any], **_: Any) -> None:
    """Give the task the id of the request that asked for it."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id:
        headers["request_id"] = request_id


@signals.task_prerun.connect
def bind_ids(task_id: str, task: Any, **_: Any) -> None:
    """Put the task's and the request's ids on every log line of the task."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task_id=task_id, task=task.name)
    request_id = getattr(task.request, "request_id", None)
    if request_id:
        structlog.contextvars.bind_contextvars(request_id=request_id)


@signals.task_postrun.connect
def unbind_ids(**_: Any) -> None:
    """Forget the ids."""
    structlog.contextvars.clear_contextvars()
