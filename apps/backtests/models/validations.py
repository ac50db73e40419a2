"""Validations: a strategy judged on bars its parameters were not chosen on.

A validation is worked fold by fold. The row of a fold is made when work on it begins, and with it
the database writes an entry of the trial ledger for each combination fitted there (migration
0010): what was begun is counted, whatever became of it.
"""

from __future__ import annotations

import uuid

from django.db import models

from apps.core.models import TeamOwned


class Validation(TeamOwned):
    """What was asked of a strategy and a space of parameters, and what it came to.

    ``kind`` is one of ``kernel.validation.kinds.KINDS``; ``plan`` is how its folds are cut.
    """

    class Status(models.TextChoices):
        """Where the validation stands."""

        RUNNING = "running"
        DONE = "done"
        CANCELLED = "cancelled"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey("core.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    version = models.ForeignKey(
        "strategies.StrategyVersion", on_delete=models.PROTECT, related_name="+"
    )
    kind = models.CharField(max_length=16)
    title = models.CharField(max_length=200)
    strategy = models.CharField(max_length=80)
    request = models.JSONField(default=dict)
    space = models.JSONField(default=dict)
    plan = models.JSONField(default=dict)
    objective = models.CharField(max_length=20)
    # How many folds it has and how many combinations they fit in all.
    folds = models.IntegerField(default=0)
    trials = models.IntegerField(default=0)
    status = models.CharField(max_length=12, choices=Status, default=Status.RUNNING)
    result = models.JSONField(default=dict)
    # The figures most sorted by: out of sample and per year, and what is left of those in sample.
    sharpe = models.FloatField(null=True)
    efficiency = models.FloatField(null=True)
    data_digest = models.CharField(max_length=64, blank=True, default="")
    engine_version = models.CharField(max_length=20, blank=True, default="")
    digest = models.CharField(max_length=64, blank=True, default="")
    sandbox = models.JSONField(null=True)
    error = models.JSONField(null=True)
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    archived_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="validation_recent"),
            models.Index(fields=("version", "kind"), name="validation_of_version"),
        )

    def __str__(self) -> str:
        return self.title


class ValidationFold(models.Model):
    """One piece of a validation that was begun: ``trials`` combinations fitted and judged.

    ``arrays`` holds what the whole is made of (returns by bar), as NumPy writes it.
    """

    validation = models.ForeignKey(Validation, on_delete=models.CASCADE, related_name="rows")
    number = models.IntegerField()
    trials = models.PositiveIntegerField()
    window = models.JSONField(default=dict)
    result = models.JSONField(null=True)
    arrays = models.BinaryField(default=bytes)
    is_done = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("validation", "number"), name="fold_once"),)

    def __str__(self) -> str:
        return f"{self.number} of {self.validation}"
