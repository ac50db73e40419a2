"""Tables of core: jobs, and what other apps' tables share."""

from __future__ import annotations

import uuid

from django.db import models

FINAL_STATES = frozenset({"done", "failed", "cancelled", "lost", "blocked_no_isolation"})


class TeamOwned(models.Model):
    """A row that belongs to one team."""

    team = models.ForeignKey("accounts.Team", on_delete=models.CASCADE, related_name="+")

    class Meta:
        abstract = True


class Job(models.Model):
    """Long work: stored before it is queued, so that it survives the queue."""

    class Status(models.TextChoices):
        """Where the work stands."""

        QUEUED = "queued"
        RUNNING = "running"
        PAUSED = "paused"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"
        LOST = "lost"
        BLOCKED = "blocked_no_isolation"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(
        "accounts.Team", null=True, on_delete=models.CASCADE, related_name="+"
    )
    kind = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    task = models.CharField(max_length=100)
    queue = models.CharField(max_length=20)
    status = models.CharField(max_length=24, choices=Status, default=Status.QUEUED)
    payload = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    error = models.JSONField(null=True)
    subject = models.CharField(max_length=120, blank=True, default="")
    done = models.FloatField(default=0.0)
    total = models.FloatField(default=0.0)
    note = models.CharField(max_length=200, blank=True, default="")
    attempt = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    cancel_requested = models.BooleanField(default=False)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=120, blank=True, default="")

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="job_team_recent"),
            models.Index(
                fields=("status", "published_at"),
                name="job_open",
                condition=models.Q(status__in=("queued", "running")),
            ),
        )

    def __str__(self) -> str:
        return f"{self.title} ({self.status})"

    @property
    def progress(self) -> float:
        """Share done, 0 to 1."""
        if self.status == self.Status.DONE:
            return 1.0
        return min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self.status in FINAL_STATES


class IdempotencyKey(TeamOwned):
    """A write that a client may send again: the first answer is kept and replayed for a day."""

    actor = models.CharField(max_length=80)
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    content_type = models.CharField(max_length=100, blank=True, default="")
    headers = models.JSONField(default=dict)
    permissions = models.JSONField(default=list)
    body = models.BinaryField(default=b"")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("team", "actor", "key"), name="one_answer_per_key"),
        )

    def __str__(self) -> str:
        return f"{self.actor} {self.key}"
