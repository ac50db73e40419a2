"""The queues, what runs on each, and the limits a worker of each is started with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and the limits of its workers, in seconds and MiB."""

    name: str
    purpose: str
    soft_limit: int
    hard_limit: int
    memory_mib: int


QUEUES = (
    Queue("trading", "orders, fills, deployments", 30, 60, 1024),
    Queue("io", "ingestion, exports, housekeeping", 3600, 3900, 2048),
    Queue("compute", "backtests, risk, sweeps", 3600, 3900, 4096),
    Queue("ai", "hypothesis search, language models", 3600, 3900, 4096),
    Queue("mail", "mail and alerts", 60, 120, 512),
)
