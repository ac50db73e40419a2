"""Runs, studies and sweeps. Equity by bar is a plain SQL table, see the store."""

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
    # The figure its best run is the best by; a closed one takes no more runs.
    objective = models.CharField(max_length=40, default="sharpe")
    tags = models.JSONField(default=dict)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

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
    # All figures of the result, where lists can search them without reading the result.
    figures = models.JSONField(default=dict)
    tags = models.JSONField(default=dict)
    # Among how many trials of its family the deflated Sharpe ratio was last taken, and when.
    deflated_sharpe = models.FloatField(null=True)
    deflated_trials = models.PositiveIntegerField(null=True)
    deflated_at = models.DateTimeField(null=True)
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


class Sweep(TeamOwned):
    """One strategy tried with many combinations of parameters, split over workers."""

    class Status(models.TextChoices):
        """Where the sweep stands."""

        RUNNING = "running"
        PAUSED = "paused"
        DONE = "done"
        CANCELLED = "cancelled"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(
        "strategies.StrategyVersion", on_delete=models.PROTECT, related_name="+"
    )
    title = models.CharField(max_length=200)
    strategy = models.CharField(max_length=80)
    request = models.JSONField(default=dict)
    space = models.JSONField(default=dict)
    method = models.CharField(max_length=12)
    objective = models.CharField(max_length=20)
    seed = models.BigIntegerField(default=0)
    trials = models.IntegerField()
    lanes = models.IntegerField()
    status = models.CharField(max_length=12, choices=Status, default=Status.RUNNING)
    # Combinations up to this one are handed out; seconds are those of all done, added up.
    handed_out = models.IntegerField(default=0)
    done = models.IntegerField(default=0)
    refused = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    seconds = models.FloatField(default=0.0)
    data_digest = models.CharField(max_length=64, blank=True, default="")
    engine_version = models.CharField(max_length=20, blank=True, default="")
    # Within which fences a text ran, the weakest of its jobs; null for the lab's own code.
    sandbox = models.JSONField(null=True)
    error = models.JSONField(null=True)
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=("team", "-created_at", "-id"), name="sweep_team_recent"),)

    def __str__(self) -> str:
        return self.title


class SweepChunk(models.Model):
    """Combinations handed to one job; what it leaves behind goes to another."""

    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="chunks")
    first = models.IntegerField()
    count = models.IntegerField()
    # What a search asked for; grids and draws follow from the numbers.
    params = models.JSONField(null=True)
    job = models.ForeignKey("core.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    is_done = models.BooleanField(default=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("sweep", "first"), name="chunk_once"),)

    def __str__(self) -> str:
        return f"{self.first} to {self.first + self.count - 1} of {self.sweep}"


class Trial(models.Model):
    """One combination of a sweep and its figures; any of them can be made a run."""

    class Status(models.TextChoices):
        """What became of it."""

        DONE = "done"
        REFUSED = "refused"
        FAILED = "failed"

    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="rows")
    number = models.IntegerField()
    status = models.CharField(max_length=8, choices=Status)
    params = models.JSONField(default=dict)
    # Higher is better, whatever the figure; null when there is none.
    score = models.FloatField(null=True)
    sharpe = models.FloatField(null=True)
    sortino = models.FloatField(null=True)
    calmar = models.FloatField(null=True)
    cagr = models.FloatField(null=True)
    total_return = models.FloatField(null=True)
    volatility = models.FloatField(null=True)
    max_drawdown = models.FloatField(null=True)
    equity_final = models.FloatField(null=True)
    exposure = models.FloatField(null=True)
    turnover = models.FloatField(null=True)
    trades = models.IntegerField(null=True)
    digest = models.CharField(max_length=64, blank=True, default="")
    error = models.JSONField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("sweep", "number"), name="trial_once"),)
        indexes = (models.Index(fields=("sweep", "-score", "number"), name="trial_by_score"),)

    def __str__(self) -> str:
        return f"{self.number} of {self.sweep}"
