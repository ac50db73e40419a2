"""Tables of ops: samples of health, alerts."""

from __future__ import annotations

from django.db import models


class HealthSample(models.Model):
    """How one subsystem was at one time."""

    at = models.DateTimeField()
    name = models.CharField(max_length=40)
    status = models.CharField(max_length=12)
    summary = models.CharField(max_length=200)
    latency_ms = models.FloatField(null=True)

    class Meta:
        indexes = (models.Index(fields=("name", "-at"), name="health_by_name"),)

    def __str__(self) -> str:
        return f"{self.name} {self.status} at {self.at}"


class Alert(models.Model):
    """Something that needs a person, of a team or of the whole lab; one open alert per key.

    The same trouble again counts, and asks those who had seen it to look once more.
    """

    team = models.ForeignKey(
        "accounts.Team", null=True, on_delete=models.CASCADE, related_name="+"
    )
    kind = models.CharField(max_length=40, default="health")
    subject = models.CharField(max_length=120, blank=True, default="")
    key = models.CharField(max_length=170)
    severity = models.CharField(max_length=12)
    title = models.CharField(max_length=250)
    advice = models.CharField(max_length=400, blank=True, default="")
    raised_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    ended_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=80, blank=True, default="")

    class Meta:
        ordering = ("-raised_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("team", "key"),
                condition=models.Q(ended_at__isnull=True),
                name="one_open_alert_per_key",
                nulls_distinct=False,
            ),
        )

    def __str__(self) -> str:
        return self.title
