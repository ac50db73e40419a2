"""Tables of audit, read only: they belong to another owner and are made by ``sql/``."""

from __future__ import annotations

from typing import Any

import orjson
from django.db import models


class AuditEvent(models.Model):
    """Something somebody did; written by ``services.record`` through ``audit.append`` only."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    acted_at = models.DateTimeField()
    db_user = models.TextField()
    team_id = models.BigIntegerField(null=True)
    actor = models.TextField()
    role = models.TextField()
    action = models.TextField()
    subject = models.TextField()
    body = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_event"
        ordering = ("-at", "-id")

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.subject}"

    @property
    def content(self) -> dict[str, Any]:
        """The body as a dict."""
        found: dict[str, Any] = orjson.loads(bytes(self.body))
        return found


class AuditLeaf(models.Model):
    """An event's place in the tree."""

    seq = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(AuditEvent, on_delete=models.DO_NOTHING, related_name="leaf")
    leaf_hash = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_leaf"

    def __str__(self) -> str:
        return f"leaf {self.seq}"


class AuditCheckpoint(models.Model):
    """A signed tree head."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField()
    at = models.DateTimeField()
    note = models.TextField()

    class Meta:
        managed = False
        db_table = "audit_checkpoint"

    def __str__(self) -> str:
        return f"checkpoint {self.size}"
