"""What the database server was asked to do for the bars, and how far its aggregates are."""

from __future__ import annotations

from django.db import models


class StorageStep(models.Model):
    """The last time a feature of the server was set up: compression, an aggregate, a policy."""

    name = models.CharField(max_length=60, unique=True)
    statement = models.TextField()
    error = models.TextField(blank=True, default="")
    at = models.DateTimeField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name


class Rollup(models.Model):
    """An aggregate was finished at a time, and holds all that was committed before another."""

    timeframe = models.CharField(max_length=4)
    holds_before = models.DateTimeField()
    finished_at = models.DateTimeField()

    class Meta:
        ordering = ("-finished_at",)
        constraints = (
            models.UniqueConstraint(fields=("timeframe", "finished_at"), name="rollup_once"),
        )

    def __str__(self) -> str:
        return f"{self.timeframe} until {self.holds_before}"
