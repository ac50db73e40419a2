"""Tables of strategies: what was thought up, and every version of it, never changed."""

from __future__ import annotations

from django.db import models

from apps.core.models import TeamOwned


class Strategy(TeamOwned):
    """An idea with a name; what it does is in its versions."""

    class Kind(models.TextChoices):
        """Where the behaviour comes from."""

        LIBRARY = "library"
        EXPRESSION = "expression"
        PYTHON = "python"

    name = models.CharField(max_length=80)
    title = models.CharField(max_length=160)
    kind = models.CharField(max_length=16, choices=Kind)
    plug = models.CharField(max_length=80)
    about = models.TextField(blank=True, default="")
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=160, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("team", "name"), name="one_strategy_per_name"),
        )
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="strategy_team_recent"),
        )

    def __str__(self) -> str:
        return self.title


class StrategyVersion(TeamOwned):
    """Exactly what would run. The database refuses to change anything but the stage."""

    class Stage(models.TextChoices):
        """How far people have let it go."""

        DRAFT = "draft"
        RESEARCHED = "researched"
        VALIDATED = "validated"
        PAPER = "paper"
        LIVE = "live"
        RETIRED = "retired"

    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    params = models.JSONField(default=dict)
    source = models.TextField(blank=True, default="")
    source_digest = models.CharField(max_length=64)
    engine = models.CharField(max_length=40)
    note = models.CharField(max_length=400, blank=True, default="")
    stage = models.CharField(max_length=16, choices=Stage, default=Stage.DRAFT)
    tier = models.PositiveSmallIntegerField(default=1)
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=160, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("strategy", "number"), name="one_version_per_number"),
            models.UniqueConstraint(fields=("strategy", "digest"), name="one_version_per_digest"),
        )
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="version_team_recent"),
            models.Index(fields=("team", "digest"), name="version_team_digest"),
        )

    def __str__(self) -> str:
        return f"{self.strategy_id} v{self.number}"
