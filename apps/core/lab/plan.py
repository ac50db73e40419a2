"""The processes of a lab, and how each is started and stopped."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path

STOP_GENTLY = ((signal.SIGTERM, 4.0), (signal.SIGKILL, 3.0))
STOP_WORKER = ((signal.SIGTERM, 3.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 3.0))
# The checks load every page of the site; they are run before the start, not by each process.
NO_CHECKS = {"CELERY_SKIP_CHECKS": "1"}
WITHOUT_REST = {"WITHOUT_REST": "1"}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One process: its command, what it adds to the environment, how it ends."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    stop: tuple[tuple[int, float], ...] = STOP_GENTLY
    on_death: int = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Worker:
    """A Celery worker process and the queues it serves."""

    name: str
    queues: tuple[str, ...]
    processes: int
    soft_limit: int = 3600
    hard_limit: int = 3900


# Two processes serve five queues: what must be quick, and what may take long.
WORKERS = (
    Worker("quick", ("trading", "io", "mail"), 4),
    Worker("heavy", ("compute", "ai"), 2),
)


def worker_command(python: str, worker: Worker) -> tuple[str, ...]:
    """Return the command line of a worker."""
    return (
        *(python, "-m", "celery", "-A", "celery_worker.app", "worker"),
        *("-Q", ",".join(worker.queues), "-n", f"{worker.name}@%h"),
        *("-c", str(worker.processes), "--loglevel", "INFO"),
        *("--soft-time-limit", str(worker.soft_limit), "--time-limit", str(worker.hard_limit)),
        *("--without-gossip", "--without-mingle"),
    )


def web_command(python: str, port: int, *, host: str = "127.0.0.1") -> tuple[str, ...]:
    """Return the command line of the site."""
    return (
        *(python, "-m", "uvicorn", "quantsite.asgi:application"),
        *("--host", host, "--port", str(port), "--lifespan", "off"),
        *("--http", "apps.core.connections:BoundedProtocol"),
        *("--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "2"),
        *("--log-config", "deploy/uvicorn_logging.json"),
    )


def plan_children(python: str, port: int, state: Path) -> list[ChildSpec]:
    """Return every process of a lab but the servers, in the order of their start."""
    beat = (python, "-m", "celery_worker.beat", str(state / "beat"))
    workers = [
        ChildSpec(
            f"worker-{worker.name}",
            worker_command(python, worker),
            {**ONE_THREAD, **NO_CHECKS, **WITHOUT_REST},
            STOP_WORKER,
            signal.SIGQUIT,
        )
        for worker in WORKERS
    ]
    return [
        ChildSpec("web", web_command(python, port), {"DB_POOL_SIZE": "10"}),
        *workers,
        ChildSpec(
            "sequencer",
            (python, "manage.py", "sequence_audit"),
            {"DB_ROLE": "sequencer", **WITHOUT_REST},
        ),
        ChildSpec("stream", (python, "manage.py", "stream"), {**ONE_THREAD, **WITHOUT_REST}),
        ChildSpec("beat", beat),
    ]
