"""How data comes in: batches, runs and their tasks, nightly flows, keys."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class Batch(models.Model):
    """Where a set of bars came from."""

    dataset = models.ForeignKey("market.Dataset", on_delete=models.CASCADE, related_name="batches")
    provider = models.CharField(max_length=40)
    source = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64)
    rows = models.IntegerField(default=0)
    received = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"{self.source} ({self.rows} rows)"


class IngestRun(models.Model):
    """An ingestion somebody asked for; its tasks tell what is done, so that it can go on."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey("accounts.Team", on_delete=models.CASCADE, related_name="+")
    dataset = models.ForeignKey("market.Dataset", on_delete=models.CASCADE, related_name="ingests")
    job = models.ForeignKey("core.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    provider = models.CharField(max_length=40)
    request = models.JSONField(default=dict)
    flow = models.ForeignKey(
        "market.Flow", null=True, on_delete=models.SET_NULL, related_name="runs"
    )
    rows_received = models.IntegerField(default=0)
    rows_added = models.IntegerField(default=0)
    rows_changed = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (models.Index(fields=("team", "-created_at"), name="ingest_team_recent"),)

    def __str__(self) -> str:
        return f"{self.provider} into {self.dataset}"


class IngestTask(models.Model):
    """One fetch of a run: the plan while it is open, the checkpoint once it is over."""

    class Status(models.TextChoices):
        """Where a fetch stands."""

        OPEN = "open"
        DONE = "done"
        FAILED = "failed"

    run = models.ForeignKey(IngestRun, on_delete=models.CASCADE, related_name="tasks")
    seq = models.IntegerField()
    symbol = models.CharField(max_length=40)
    timeframe = models.CharField(max_length=4)
    since = models.BigIntegerField(null=True)
    until = models.BigIntegerField(null=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    attempts = models.PositiveSmallIntegerField(default=0)
    rows = models.IntegerField(default=0)
    error = models.JSONField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("run", "seq"), name="ingest_task_once"),)
        indexes = (models.Index(fields=("run", "status", "seq"), name="ingest_task_by_status"),)

    def __str__(self) -> str:
        return f"{self.symbol}@{self.timeframe} {self.status}"


class Flow(models.Model):
    """An ingestion that is started by itself every day at an hour, and how it went."""

    team = models.ForeignKey("accounts.Team", on_delete=models.CASCADE, related_name="+")
    name = models.SlugField(max_length=64)
    provider = models.CharField(max_length=40)
    request = models.JSONField(default=dict)
    at_utc = models.TimeField()
    weekdays = ArrayField(models.PositiveSmallIntegerField(), default=list)
    is_on = models.BooleanField(default=True)
    next_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    report = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("team", "name"), name="flow_name"),)
        indexes = (models.Index(fields=("next_at",), name="flow_due", condition=Q(is_on=True)),)

    def __str__(self) -> str:
        return self.name


class ProviderKey(models.Model):
    """A team's key of a provider, sealed; only its last characters can be read back."""

    team = models.ForeignKey("accounts.Team", on_delete=models.CASCADE, related_name="+")
    provider = models.CharField(max_length=40)
    sealed = models.TextField()
    hint = models.CharField(max_length=16)
    status = models.CharField(max_length=12, default="valid")
    note = models.CharField(max_length=300, blank=True, default="")
    checked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("team", "provider"), name="provider_key_once"),
        )

    def __str__(self) -> str:
        return f"{self.provider} …{self.hint}"
