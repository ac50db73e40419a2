"""What people said about findings, and how the health of a universe went."""

from __future__ import annotations

from django.db import models


class Acknowledged(models.Model):
    """A finding that somebody of a team looked at and took for a real event."""

    team = models.ForeignKey("accounts.Team", on_delete=models.CASCADE, related_name="+")
    series = models.ForeignKey(
        "market.Series", on_delete=models.CASCADE, related_name="acknowledged"
    )
    kind = models.CharField(max_length=40)
    at = models.DateTimeField()
    note = models.CharField(max_length=300)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("team", "series", "kind", "at"), name="acknowledged_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} at {self.at}"


class Checkup(models.Model):
    """The health of a universe at a moment; the alert compares it with the one before."""

    universe = models.ForeignKey(
        "market.Universe", on_delete=models.CASCADE, related_name="checkups"
    )
    at = models.DateTimeField()
    score = models.FloatField()
    coverage = models.FloatField()
    findings = models.IntegerField()
    stale = models.IntegerField(default=0)

    class Meta:
        ordering = ("-at", "-id")
        constraints = (models.UniqueConstraint(fields=("universe", "at"), name="checkup_once"),)

    def __str__(self) -> str:
        return f"{self.universe} {self.score} at {self.at}"
