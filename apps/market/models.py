"""Tables of market. Bars and metrics themselves are plain SQL tables, see the store."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q


class Dataset(models.Model):
    """A body of bars from one source. Without a team it is shared, and nobody may write to it."""

    team = models.ForeignKey(
        "accounts.Team", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    name = models.SlugField(max_length=64)
    title = models.CharField(max_length=200)
    source = models.CharField(max_length=200)
    licence = models.CharField(max_length=80, blank=True, default="")
    calendar = models.CharField(max_length=12, default="XNYS")
    note = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("team", "name"), name="dataset_name", nulls_distinct=False
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_continuous(self) -> bool:
        """Whether its venues trade around the clock."""
        return self.calendar == "24/7"


class Instrument(models.Model):
    """Something with a price, as one dataset knows it."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="instruments")
    symbol = models.CharField(max_length=40)
    name = models.CharField(max_length=200, blank=True, default="")
    kind = models.CharField(max_length=20, default="equity")
    sector = models.CharField(max_length=60, blank=True, default="")
    venue = models.CharField(max_length=40, blank=True, default="")
    currency = models.CharField(max_length=8, default="USD")
    # The line of a list as JSON text, kept by the store; null until it is written.
    card = models.TextField(null=True)  # noqa: DJ001 null is "not written", no text is empty

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("dataset", "symbol"), name="instrument_symbol"),
        )
        indexes = (models.Index(fields=("symbol", "id"), name="instrument_by_symbol"),)

    def __str__(self) -> str:
        return self.symbol


class Series(models.Model):
    """Bars of one instrument at one timeframe; its id is the key of the bars table."""

    id = models.AutoField(primary_key=True)
    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="series")
    timeframe = models.CharField(max_length=4)
    rows = models.IntegerField(default=0)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    health = models.JSONField(default=dict)
    checked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("instrument", "timeframe"), name="series_once"),
        )

    def __str__(self) -> str:
        return f"{self.instrument} {self.timeframe}"


class Universe(models.Model):
    """A named, versioned set of instruments with a sentence on who is missing."""

    team = models.ForeignKey(
        "accounts.Team", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="universes")
    name = models.SlugField(max_length=64)
    version = models.PositiveIntegerField(default=1)
    title = models.CharField(max_length=200, blank=True, default="")
    timeframe = models.CharField(max_length=4)
    symbols = ArrayField(models.CharField(max_length=40))
    survivorship = models.TextField()
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("team", "name", "version"), name="universe_version", nulls_distinct=False
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class Action(models.Model):
    """A dividend (cash per share) or a split (new shares per old) on its ex-date.

    ``factor`` is what earlier prices are multiplied with so that returns across the date are
    those of the holder.
    """

    class Kind(models.TextChoices):
        """What happened to a share."""

        DIVIDEND = "dividend"
        SPLIT = "split"

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="actions")
    kind = models.CharField(max_length=10, choices=Kind)
    on = models.DateField()
    value = models.FloatField()
    factor = models.FloatField()

    class Meta:
        ordering = ("on", "kind")
        constraints = (
            models.UniqueConstraint(fields=("instrument", "kind", "on"), name="action_once"),
            models.CheckConstraint(
                condition=Q(value__gt=0, factor__gt=0), name="action_value_and_factor_positive"
            ),
        )

    def __str__(self) -> str:
        return f"{self.instrument} {self.kind} {self.value} on {self.on}"


class Batch(models.Model):
    """Where a set of bars came from."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="batches")
    provider = models.CharField(max_length=40)
    source = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64)
    rows = models.IntegerField(default=0)
    received = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"{self.source} ({self.rows} rows)"


class IngestRun(models.Model):
    """An ingestion somebody asked for; what is done is kept so that it can go on."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey("accounts.Team", on_delete=models.CASCADE, related_name="+")
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="ingests")
    job = models.ForeignKey("core.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    provider = models.CharField(max_length=40)
    request = models.JSONField(default=dict)
    done = ArrayField(models.CharField(max_length=80), default=list)
    failed = models.JSONField(default=dict)
    rows_received = models.IntegerField(default=0)
    rows_added = models.IntegerField(default=0)
    rows_changed = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (models.Index(fields=("team", "-created_at"), name="ingest_team_recent"),)

    def __str__(self) -> str:
        return f"{self.provider} into {self.dataset}"


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
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("subject", "digest"), name="reader_once"),)

    def __str__(self) -> str:
        return f"{self.subject} read {self.digest[:12]}"


class FeedSession(models.Model):
    """A replay of stored bars as if they were closing now."""

    class Status(models.TextChoices):
        """What the feed does."""

        RUNNING = "running"
        PAUSED = "paused"
        ENDED = "ended"

    name = models.SlugField(max_length=64, unique=True)
    universe = models.ForeignKey(Universe, on_delete=models.CASCADE, related_name="+")
    timeframe = models.CharField(max_length=4)
    start_at = models.DateTimeField()
    position_at = models.DateTimeField(null=True)
    bars_done = models.IntegerField(default=0)
    bars_total = models.IntegerField(default=0)
    price_mode = models.CharField(max_length=12, default="split")
    seconds_per_bar = models.FloatField(default=2.0)
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    epoch = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(seconds_per_bar__gt=0), name="feed_seconds_positive"
            ),
            models.CheckConstraint(
                condition=Q(bars_done__lte=F("bars_total")), name="feed_bars_bounded"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} at {self.position_at}"
