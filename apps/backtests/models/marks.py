"""What people write on runs and studies, how they look at them, and which are evidence.

Tags stand on the rows themselves. A note is never changed: what is edited gets another version.
The database writes an evidence lock when a proposal is made, and holds to it (migration 0013).
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from apps.backtests.models.runs import Run, Study
from apps.core.models import TeamOwned


class Note(TeamOwned):
    """A version of words on a run or a study; the highest version of a thread holds."""

    run = models.ForeignKey(Run, null=True, on_delete=models.CASCADE, related_name="notes")
    study = models.ForeignKey(Study, null=True, on_delete=models.CASCADE, related_name="notes")
    thread = models.UUIDField(default=uuid.uuid4)
    version = models.PositiveIntegerField(default=1)
    text = models.TextField(blank=True)
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("thread", "version"), name="note_version_once"),
            models.CheckConstraint(
                condition=Q(run=None, study__isnull=False) | Q(run__isnull=False, study=None),
                name="note_on_one_thing",
            ),
        )

    def __str__(self) -> str:
        return f"{self.thread} v{self.version}"


class SavedView(TeamOwned):
    """A search over runs under a name, with its order and columns: one person's, or the team's."""

    name = models.CharField(max_length=80)
    query = models.CharField(max_length=2000, blank=True, default="")
    sort = models.CharField(max_length=120, blank=True, default="")
    columns = models.JSONField(default=list)
    owner = models.CharField(max_length=80)
    is_shared = models.BooleanField(default=False)
    # Of a person's views one at most opens with the list; of the shared ones one, for the others.
    is_default = models.BooleanField(default=False)
    created_by_label = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("team", "owner", "name"),
                condition=Q(is_shared=False),
                name="own_view_name",
            ),
            models.UniqueConstraint(
                fields=("team", "name"), condition=Q(is_shared=True), name="shared_view_name"
            ),
            models.UniqueConstraint(
                fields=("team", "owner"),
                condition=Q(is_default=True, is_shared=False),
                name="own_view_default",
            ),
            models.UniqueConstraint(
                fields=("team",),
                condition=Q(is_default=True, is_shared=True),
                name="shared_view_default",
            ),
        )

    def __str__(self) -> str:
        return self.name


class EvidenceLock(TeamOwned):
    """A proposal that names something as its evidence; it holds while the proposal stands."""

    subject = models.CharField(max_length=80)
    proposal_id = models.UUIDField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("subject", "proposal_id"), name="lock_once"),
        )

    def __str__(self) -> str:
        return f"{self.subject} for {self.proposal_id}"


class Deflation(TeamOwned):
    """How much a family had tried when the deflated Sharpe ratios of its runs were last taken."""

    family = models.OneToOneField(
        "backtests.Family", on_delete=models.CASCADE, related_name="deflation"
    )
    trials = models.PositiveIntegerField()
    finished = models.PositiveIntegerField()
    runs = models.PositiveIntegerField()
    taken_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.family_id} after {self.trials}"
