"""What was known before: actions, memberships and renames that were replaced or withdrawn.

A row held from ``known_at`` until before ``superseded_at``; the store alone writes here, in the
statement that changes the row it was.
"""

from __future__ import annotations

from django.db import models


class Superseded(models.Model):
    """From when until when a row held, by which batches."""

    batch = models.ForeignKey(
        "market.Batch", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    known_at = models.DateTimeField()
    superseded_by = models.ForeignKey(
        "market.Batch", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    superseded_at = models.DateTimeField()

    class Meta:
        abstract = True


class ActionHistory(Superseded):
    """A dividend or split as it was."""

    instrument = models.ForeignKey(
        "market.Instrument", on_delete=models.CASCADE, related_name="action_history"
    )
    kind = models.CharField(max_length=10)
    on = models.DateField()
    value = models.FloatField()
    factor = models.FloatField()

    class Meta:
        ordering = ("superseded_at", "id")

    def __str__(self) -> str:
        return f"{self.kind} {self.value} on {self.on} until {self.superseded_at}"


class MembershipHistory(Superseded):
    """A spell in an index as it was."""

    dataset = models.ForeignKey(
        "market.Dataset", on_delete=models.CASCADE, related_name="membership_history"
    )
    index = models.SlugField(max_length=40)
    symbol = models.CharField(max_length=40)
    joined_on = models.DateField(null=True)
    left_on = models.DateField(null=True)
    source = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        ordering = ("superseded_at", "id")

    def __str__(self) -> str:
        return f"{self.symbol} in {self.index} until {self.superseded_at}"


class RenameHistory(Superseded):
    """A change of ticker as it was."""

    dataset = models.ForeignKey(
        "market.Dataset", on_delete=models.CASCADE, related_name="rename_history"
    )
    before = models.CharField(max_length=40)
    after = models.CharField(max_length=40)
    on = models.DateField()

    class Meta:
        ordering = ("superseded_at", "id")

    def __str__(self) -> str:
        return f"{self.before} became {self.after} until {self.superseded_at}"
