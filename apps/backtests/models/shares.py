"""Links by which people outside read one run's sheet, and how often they did."""

from __future__ import annotations

import uuid

from django.db import models

from apps.backtests.models.runs import Run
from apps.core.models import TeamOwned


class ShareLink(TeamOwned):
    """A link to one run's sheet: until when, what it shows, whether it was called back.

    The link itself is told once; ``digest`` is the sha-256 of its token.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="shares")
    digest = models.CharField(max_length=64, unique=True)
    note = models.CharField(max_length=120, blank=True, default="")
    shows_strategy = models.BooleanField(default=False)
    views = models.PositiveIntegerField(default=0)
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=80, blank=True, default="")

    class Meta:
        indexes = (models.Index(fields=("run", "-created_at", "-id"), name="share_run_recent"),)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")), name="share_ends_later"
            ),
        )

    def __str__(self) -> str:
        return f"{self.pk} of run {self.run_id}"


class ShareView(models.Model):
    """One look at a shared sheet; ``network`` is the looker's address without its last part."""

    link = models.ForeignKey(ShareLink, on_delete=models.CASCADE, related_name="looks")
    at = models.DateTimeField()
    network = models.CharField(max_length=45)

    class Meta:
        indexes = (models.Index(fields=("link", "-at"), name="share_look_recent"),)

    def __str__(self) -> str:
        return f"{self.link_id} at {self.at}"
