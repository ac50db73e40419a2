"""What changed and who had read it; what was kept out."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Reader(models.Model):
    """Who read which data: a subject such as ``backtest:…`` and the digest of the panel."""

    team = models.ForeignKey(
        "accounts.Team", null=True, on_delete=models.CASCADE, related_name="+"
    )
    subject = models.CharField(max_length=120)
    digest = models.CharField(max_length=64, db_index=True)
    series_ids = ArrayField(models.IntegerField(), default=list)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    # Kinds of revisions that change what was read: bars, split, dividend, figures by name. Without
    # any it is not known, and all may.
    reads = ArrayField(models.CharField(max_length=60), default=list)
    # What may have been read anew since; the bars as they were known then.
    as_of = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("subject", "digest"), name="reader_once"),)

    def __str__(self) -> str:
        return f"{self.subject} read {self.digest[:12]}"


class Revision(models.Model):
    """What a batch changed of a series: how much of which kind, and the stretch it touches.

    ``bars`` counts bars, splits, dividends or figures by ``kind``. A changed split or dividend
    touches the adjusted bars before it; one that came late touches who had read across it.
    Figures of an instrument without bars have no series.
    """

    instrument = models.ForeignKey(
        "market.Instrument", on_delete=models.CASCADE, related_name="revisions"
    )
    series = models.ForeignKey(
        "market.Series", null=True, on_delete=models.CASCADE, related_name="revisions"
    )
    kind = models.CharField(max_length=60, default="bars")
    batch = models.ForeignKey("market.Batch", on_delete=models.CASCADE, related_name="revisions")
    bars = models.IntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("batch", "instrument", "series", "kind"),
                name="revision_once",
                nulls_distinct=False,
            ),
        )

    def __str__(self) -> str:
        return f"{self.bars} {self.kind} of {self.instrument}"


class Quarantined(models.Model):
    """A bar that was kept out of the data, as it was received, until somebody decides on it."""

    class Status(models.TextChoices):
        """What was decided."""

        OPEN = "open"
        RELEASED = "released"
        DROPPED = "dropped"

    dataset = models.ForeignKey(
        "market.Dataset", on_delete=models.CASCADE, related_name="quarantined"
    )
    symbol = models.CharField(max_length=40)
    timeframe = models.CharField(max_length=4)
    ts = models.DateTimeField()
    # Text as received: a figure that is not finite has no place in a float column here.
    values = models.JSONField(default=dict)
    reason = models.CharField(max_length=40)
    message = models.CharField(max_length=300)
    provider = models.CharField(max_length=40)
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=80, blank=True, default="")
    # What stored it when it was released.
    batch = models.ForeignKey(
        "market.Batch", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    note = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("dataset", "symbol", "timeframe", "ts", "reason"),
                name="quarantined_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.symbol} {self.ts}: {self.reason}"
