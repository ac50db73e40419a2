"""Replays of stored bars."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


class FeedSession(models.Model):
    """A replay of stored bars as if they were closing now."""

    class Status(models.TextChoices):
        """What the feed does."""

        RUNNING = "running"
        PAUSED = "paused"
        ENDED = "ended"

    name = models.SlugField(max_length=64, unique=True)
    universe = models.ForeignKey("market.Universe", on_delete=models.CASCADE, related_name="+")
    timeframe = models.CharField(max_length=4)
    start_at = models.DateTimeField()
    position_at = models.DateTimeField(null=True)
    bars_done = models.IntegerField(default=0)
    bars_total = models.IntegerField(default=0)
    price_mode = models.CharField(max_length=12, default="split")
    seconds_per_bar = models.FloatField(default=2.0)
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    epoch = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(seconds_per_bar__gt=0), name="feed_seconds_positive"
            ),
            models.CheckConstraint(
                condition=Q(bars_done__lte=F("bars_total")), name="feed_bars_bounded"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} at {self.position_at}"
