"""Tables of approvals: proposals, the decisions on them, lapses, settings by version."""

from __future__ import annotations

import uuid

from django.db import models

from apps.approvals.kernel.digest import FIRST
from apps.core.models import TeamOwned


class Proposal(TeamOwned):
    """Something somebody wants agreed: a promotion, new limits, new code."""

    class Status(models.TextChoices):
        """Where the proposal stands."""

        OPEN = "open"
        APPROVED = "approved"
        REJECTED = "rejected"
        WITHDRAWN = "withdrawn"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=32)
    subject = models.CharField(max_length=120)
    subject_digest = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    target_stage = models.CharField(max_length=20, blank=True, default="")
    tier = models.PositiveSmallIntegerField(default=1)
    rationale = models.TextField()
    evidence = models.JSONField(default=dict)
    gates = models.JSONField(default=list)
    format = models.CharField(max_length=40, default=FIRST)
    terms = models.JSONField(default=dict)
    valid_until = models.DateTimeField(null=True)
    review_on = models.DateField(null=True)
    supersedes = models.UUIDField(null=True)
    digest = models.CharField(max_length=64)
    author = models.CharField(max_length=80)
    editors = models.JSONField(default=list)
    status = models.CharField(max_length=12, choices=Status, default=Status.OPEN)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    event_id = models.UUIDField()

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="proposal_team_recent"),
            models.Index(
                fields=("team", "kind", "subject", "subject_digest"), name="proposal_subject"
            ),
            models.Index(
                fields=("decided_at",),
                condition=models.Q(status="approved"),
                name="proposal_approved",
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("team", "kind", "subject", "subject_digest", "target_stage"),
                condition=models.Q(status="open"),
                name="one_open_proposal_per_subject",
            ),
        )

    def __str__(self) -> str:
        return f"{self.title} ({self.status})"


class Decision(TeamOwned):
    """One person's vote on a proposal; the database refuses to change or remove it."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="decisions")
    decider = models.CharField(max_length=80)
    role = models.CharField(max_length=20)
    powers = models.JSONField(default=list)
    decision = models.CharField(max_length=8)
    rationale = models.TextField()
    seen_digest = models.CharField(max_length=64)
    signature = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    event_id = models.UUIDField()

    class Meta:
        ordering = ("created_at", "id")
        constraints = (
            models.UniqueConstraint(fields=("proposal", "decider"), name="one_vote_per_person"),
        )

    def __str__(self) -> str:
        return f"{self.decider}: {self.decision}"


class Lapse(TeamOwned):
    """An approval that is no longer in force, and why; the database refuses to change it."""

    class Reason(models.TextChoices):
        """Why it ended."""

        EXPIRED = "expired"
        REVIEW = "review"
        CHANGED = "changed"
        REVOKED = "revoked"

    proposal = models.OneToOneField(Proposal, on_delete=models.PROTECT, related_name="lapse")
    reason = models.CharField(max_length=12, choices=Reason)
    note = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField()
    event_id = models.UUIDField()

    class Meta:
        ordering = ("created_at", "id")

    def __str__(self) -> str:
        return f"{self.proposal_id} lapsed: {self.reason}"


class Setting(TeamOwned):
    """A version of a setting's value; the highest version holds."""

    key = models.CharField(max_length=80)
    version = models.PositiveIntegerField()
    value = models.JSONField()
    note = models.CharField(max_length=200, blank=True, default="")
    rolled_back_to = models.PositiveIntegerField(null=True)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("key", "-version")
        constraints = (
            models.UniqueConstraint(fields=("team", "key", "version"), name="one_setting_version"),
        )

    def __str__(self) -> str:
        return f"{self.key} v{self.version}"
