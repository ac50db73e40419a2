"""Tables of the assistant: searches, hypotheses, what models were asked and what it took."""

from __future__ import annotations

from django.db import models

from apps.core.models import TeamOwned


class Search(TeamOwned):
    """One search for hypotheses: what was asked, and once over, what it came to."""

    universe = models.CharField(max_length=120)
    timeframe = models.CharField(max_length=8)
    start_on = models.DateField(null=True)
    end_on = models.DateField(null=True)
    plan = models.JSONField(default=dict)
    job_id = models.UUIDField(null=True)
    # What a model proposed, kept so that a search begun again asks nobody twice.
    ideas = models.JSONField(null=True)
    model = models.CharField(max_length=120, blank=True, default="")
    trials = models.PositiveIntegerField(default=0)
    summary = models.JSONField(default=dict)
    data_digest = models.CharField(max_length=64, blank=True, default="")
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=160, blank=True, default="")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=("team", "-created_at", "-id"), name="search_team_recent"),)

    def __str__(self) -> str:
        return f"Search {self.pk} in {self.universe}"


class Hypothesis(TeamOwned):
    """A candidate of a search, with the criteria that were written down before."""

    class Status(models.TextChoices):
        """What people made of it."""

        CANDIDATE = "candidate"
        ACCEPTED = "accepted"
        KILLED = "killed"
        PROMOTED = "promoted"

    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="hypotheses")
    place = models.PositiveSmallIntegerField()
    statement = models.TextField()
    economic_reason = models.TextField()
    origin = models.CharField(max_length=40)
    expression = models.TextField()
    words = models.TextField()
    lookback = models.PositiveIntegerField()
    criteria = models.JSONField(default=dict)
    in_sample = models.JSONField(default=dict)
    out_of_sample = models.JSONField(default=dict)
    meets_criteria = models.BooleanField(default=False)
    trials = models.PositiveIntegerField()
    status = models.CharField(max_length=12, choices=Status, default=Status.CANDIDATE)
    note = models.TextField(blank=True, default="")
    version_id = models.BigIntegerField(null=True)
    judged_by = models.CharField(max_length=80, blank=True, default="")
    judged_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "hypotheses"
        constraints = (
            models.UniqueConstraint(fields=("search", "place"), name="one_hypothesis_per_place"),
        )
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="hypothesis_team_recent"),
        )

    def __str__(self) -> str:
        return self.expression


class Usage(TeamOwned):
    """One question to a language model: tokens, cost, time, and how it ended."""

    search = models.ForeignKey(Search, null=True, on_delete=models.SET_NULL, related_name="usages")
    provider = models.CharField(max_length=40)
    model = models.CharField(max_length=120)
    outcome = models.CharField(max_length=40)
    message = models.CharField(max_length=400, blank=True, default="")
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True)
    latency_ms = models.PositiveIntegerField(default=0)
    actor = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("team", "-created_at", "-id"), name="usage_team_recent"),)

    def __str__(self) -> str:
        return f"{self.provider}: {self.outcome}"
