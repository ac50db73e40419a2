"""Live feeds: bars of a team's instruments as they close at the vendor."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class LiveFeed(models.Model):
    """A stream of a team's that one process at a time holds.

    ``token`` counts the holders: a process that lost the feed carries an old one and may no
    longer write. ``lease_until`` tells how long the holder may be silent before it lost it.
    """

    class State(models.TextChoices):
        """How the stream stands."""

        STOPPED = "stopped"
        STARTING = "starting"
        LIVE = "live"
        STALE = "stale"
        RECONNECTING = "reconnecting"
        FAILED = "failed"

    team = models.ForeignKey("accounts.Team", on_delete=models.CASCADE, related_name="+")
    name = models.SlugField(max_length=64)
    provider = models.CharField(max_length=40)
    section = models.CharField(max_length=40)
    dataset = models.ForeignKey("market.Dataset", on_delete=models.CASCADE, related_name="+")
    timeframe = models.CharField(max_length=4)
    symbols = ArrayField(models.CharField(max_length=40))
    is_on = models.BooleanField(default=True)
    state = models.CharField(max_length=12, choices=State, default=State.STOPPED)
    # Why it is as it is, for people: silent and frozen symbols, or what the vendor said.
    note = models.CharField(max_length=300, blank=True, default="")
    stale_symbols = ArrayField(models.CharField(max_length=40), default=list)
    holder = models.CharField(max_length=120, blank=True, default="")
    token = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    # The open of the newest bar, and when anything was heard last.
    last_bar_at = models.DateTimeField(null=True)
    heard_at = models.DateTimeField(null=True)
    connects = models.PositiveIntegerField(default=0)
    received = models.BigIntegerField(default=0)
    added = models.BigIntegerField(default=0)
    changed = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("team", "name"), name="live_feed_name"),)
        indexes = (models.Index(fields=("id",), name="live_feed_on", condition=Q(is_on=True)),)

    def __str__(self) -> str:
        return f"{self.name} {self.state}"
