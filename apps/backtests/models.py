"""Tables of backtests. Equity by bar is a plain SQL table, see the store."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.core.models import TeamOwned


class Study(TeamOwned):
    """A named set of runs that belong to one question."""

    name = models.SlugField(max_length=80)
    title = models.CharField(max_length=200)
    note = models.TextField(blank=True, default="")
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("team", "name"), name="study_name"),)
        indexes = (models.Index(fields=("team", "-created_at", "-id"), name="study_team_recent"),)

    def __str__(self) -> str:
        return self.name


class Run(TeamOwned):
    """A backtest: what was asked, and once its job is done, what it came to.

    The figures most sorted by have columns of their own; ``result`` holds all of them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey("core.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    version = models.ForeignKey(
        "strategies.StrategyVersion", on_delete=models.PROTECT, related_name="+"
    )
    study = models.ForeignKey(Study, null=True, on_delete=models.SET_NULL, related_name="runs")
    title = models.CharField(max_length=200)
    strategy = models.CharField(max_length=80)
    params = models.JSONField(default=dict)
    request = models.JSONField(default=dict)
    fill = models.CharField(max_length=16)
    universe = models.CharField(max_length=64, blank=True, default="")
    labels = ArrayField(models.CharField(max_length=500), default=list)
    result = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, blank=True, default="")
    data_digest = models.CharField(max_length=64, blank=True, default="")
    engine_version = models.CharField(max_length=20, blank=True, default="")
    equity_final = models.FloatField(null=True)
    total_return = models.FloatField(null=True)
    cagr = models.FloatField(null=True)
    sharpe = models.FloatField(null=True)
    max_drawdown = models.FloatField(null=True)
    trades = models.IntegerField(null=True)
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    archived_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="run_team_recent"),
            models.Index(fields=("team", "strategy", "-created_at"), name="run_team_strategy"),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def is_done(self) -> bool:
        """Whether there is a result."""
        return self.finished_at is not None


class Artifact(models.Model):
    """A file of a run: fills or trades as Parquet, with the sha-256 of its bytes."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="artifacts")
    name = models.CharField(max_length=40)
    media_type = models.CharField(max_length=80, default="application/vnd.apache.parquet")
    digest = models.CharField(max_length=64)
    content = models.BinaryField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("run", "name"), name="artifact_once"),)

    def __str__(self) -> str:
        return self.name


class Rerun(TeamOwned):
    """A run computed once more because bars it had read were revised; the run itself stays."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="reruns")
    batch_id = models.IntegerField()
    job = models.ForeignKey("core.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    data_digest = models.CharField(max_length=64, blank=True, default="")
    error = models.JSONField(null=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("run", "batch_id"), name="rerun_once"),)
        indexes = (models.Index(fields=("team", "batch_id"), name="rerun_of_batch"),)

    def __str__(self) -> str:
        return f"{self.run} after batch {self.batch_id}"
