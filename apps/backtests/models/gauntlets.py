"""A run held against luck: null worlds, break-even cost, capacity."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.backtests.models.runs import Run
from apps.core.models import TeamOwned


class Gauntlet(TeamOwned):
    """What a run's strategy comes to in worlds without skill; asked for once, computed by a job.

    ``result`` holds figures, ``nulls`` the figures of every world by kind. It is no trial: nothing
    is chosen by it, and the strategy and its parameters are those of the run.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="gauntlets")
    job = models.ForeignKey("core.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    kinds = ArrayField(models.CharField(max_length=24))
    worlds = models.PositiveIntegerField()
    run_digest = models.CharField(max_length=64)
    result = models.JSONField(default=dict)
    nulls = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, blank=True, default="")
    null_p_value = models.FloatField(null=True)
    break_even_bps = models.FloatField(null=True)
    capacity = models.FloatField(null=True)
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=("run", "-created_at", "-id"), name="gauntlet_run_recent"),)

    def __str__(self) -> str:
        return f"{self.worlds} worlds of run {self.run_id}"

    @property
    def is_done(self) -> bool:
        """Whether there is a result."""
        return self.finished_at is not None
