"""The ledger of trials: what was tried, of which family, and what it returned; and holdouts.

The database itself writes an entry for every run and every combination of a sweep, in the
transaction that makes it, and refuses to change or remove one (migration 0007). Entries point at
what they count by text: they outlive it.
"""

from __future__ import annotations

import uuid

from django.db import models

from apps.core.models import TeamOwned


class Family(TeamOwned):
    """Trials of one idea: a strategy with all its versions, and those joined to it.

    ``root`` is the family it was joined to; without one it stands for itself.
    """

    name = models.CharField(max_length=160)
    strategy_id = models.BigIntegerField(null=True)
    search_id = models.BigIntegerField(null=True)
    root = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="joined")
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "families"
        constraints = (
            models.UniqueConstraint(fields=("team", "strategy_id"), name="family_of_strategy"),
            models.UniqueConstraint(fields=("team", "search_id"), name="family_of_search"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def top_id(self) -> int:
        """Return the number of the family it counts with."""
        return self.root_id or self.pk


class TrialEntry(TeamOwned):
    """One trial, or those of a search of the forge, that was begun; whatever became of it."""

    family = models.ForeignKey(Family, on_delete=models.PROTECT, related_name="entries")
    door = models.CharField(max_length=16)
    subject = models.CharField(max_length=80, unique=True)
    trials = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "trial entries"
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="entry_team_recent"),
            models.Index(fields=("family", "-id"), name="entry_of_family"),
        )

    def __str__(self) -> str:
        return self.subject


class TrialStream(TeamOwned):
    """What a trial returned, in short: moments, sums by block, and a path in 256 steps."""

    subject = models.CharField(max_length=80, primary_key=True)
    # Trials with the same calendar saw the same bars and can be compared bar by bar.
    calendar = models.CharField(max_length=80)
    observations = models.PositiveIntegerField()
    sharpe = models.FloatField()
    skewness = models.FloatField()
    kurtosis = models.FloatField()
    periods = models.FloatField()
    digest = models.CharField(max_length=64)
    blocks = models.BinaryField()
    path = models.BinaryField()

    def __str__(self) -> str:
        return self.subject


class Holdout(TeamOwned):
    """A range of dates that a family is not to be tuned on; each look at it costs."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    family = models.ForeignKey(Family, on_delete=models.PROTECT, related_name="holdouts")
    start_on = models.DateField()
    end_on = models.DateField(null=True)
    alpha = models.FloatField(default=0.05)
    note = models.CharField(max_length=400, blank=True, default="")
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=160, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("team", "-created_at", "-id"), name="holdout_recent"),)

    def __str__(self) -> str:
        return f"{self.family}: from {self.start_on}"


class HoldoutLook(TeamOwned):
    """A run or sweep that read bars of a holdout; ``looks`` is how many trials did so."""

    holdout = models.ForeignKey(Holdout, on_delete=models.PROTECT, related_name="looks")
    subject = models.CharField(max_length=80)
    looks = models.PositiveIntegerField()
    # What of the alpha these looks took, and what was left after them.
    price = models.FloatField()
    alpha_left = models.FloatField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("holdout", "subject"), name="look_once"),)

    def __str__(self) -> str:
        return f"{self.looks} at {self.holdout_id} by {self.subject}"
