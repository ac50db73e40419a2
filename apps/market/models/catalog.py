"""What there is: datasets, instruments, series, universes, actions, reference data."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


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
    # What the ticker meant is cut at these days: before and after it may be another company's.
    listed_on = models.DateField(null=True)
    delisted_on = models.DateField(null=True)
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
    # Another one whenever bars, actions or figures of it changed; never seen twice, so that what
    # was kept under it elsewhere (the panel cache) holds for as long as it stands.
    stamp = models.UUIDField(default=uuid.uuid4)
    # The stamp that was found committed at a time: while it stands, aggregates that hold all of
    # before that time hold all of the series.
    seen_stamp = models.UUIDField(null=True)
    seen_at = models.DateTimeField(null=True)
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
    batch = models.ForeignKey(
        "market.Batch", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    known_at = models.DateTimeField(db_default=Now())

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


class Membership(models.Model):
    """A symbol in an index from one day until before another; open ends are null."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="memberships")
    index = models.SlugField(max_length=40)
    symbol = models.CharField(max_length=40)
    joined_on = models.DateField(null=True)
    left_on = models.DateField(null=True)
    source = models.CharField(max_length=200, blank=True, default="")
    batch = models.ForeignKey(
        "market.Batch", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    known_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("dataset", "index", "symbol", "joined_on"),
                name="membership_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(left_on__isnull=True)
                | Q(joined_on__isnull=True)
                | Q(left_on__gt=F("joined_on")),
                name="membership_ends_after_it_began",
            ),
        )

    def __str__(self) -> str:
        return f"{self.symbol} in {self.index}"


class Rename(models.Model):
    """A ticker that became another one on a day."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="renames")
    before = models.CharField(max_length=40)
    after = models.CharField(max_length=40)
    on = models.DateField()
    batch = models.ForeignKey(
        "market.Batch", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    known_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("dataset", "before", "on"), name="rename_once"),
        )

    def __str__(self) -> str:
        return f"{self.before} became {self.after} on {self.on}"
