"""Tables of strategies: what was thought up, every version of it, and what scans found."""

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


class Probe(TeamOwned):
    """A look-ahead probe of a version. Once it is over, the database lets nothing change it.

    ``digest`` is the sha-256 of ``report``, ``data_digest`` that of the bars it was done on.
    """

    class Verdict(models.TextChoices):
        """What it came to."""

        PENDING = "pending"
        PASSED = "passed"
        LEAKS = "leaks"
        UNSTEADY = "unsteady"
        UNABLE = "unable"

    version = models.ForeignKey(StrategyVersion, on_delete=models.CASCADE, related_name="probes")
    verdict = models.CharField(max_length=12, choices=Verdict, default=Verdict.PENDING)
    report = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, blank=True, default="")
    data = models.CharField(max_length=400, blank=True, default="")
    data_digest = models.CharField(max_length=64, blank=True, default="")
    reason = models.CharField(max_length=400, blank=True, default="")
    seconds = models.FloatField(null=True)
    sandbox = models.JSONField(null=True)
    job = models.ForeignKey("core.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=160, blank=True, default="")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=("version", "-id"), name="probe_of_version"),
            models.Index(fields=("team", "-created_at", "-id"), name="probe_team_recent"),
        )

    def __str__(self) -> str:
        return f"{self.version_id} {self.verdict}"


class Scan(TeamOwned):
    """Every strategy on every symbol of a universe, once."""

    universe = models.CharField(max_length=120)
    timeframe = models.CharField(max_length=8)
    symbols = models.JSONField(default=list)
    strategies = models.JSONField(default=list)
    batches = models.PositiveIntegerField(default=0)
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=160, blank=True, default="")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="scan_team_recent"),
            models.Index(
                fields=("created_at",),
                name="scan_open",
                condition=models.Q(finished_at__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return f"{self.universe} {self.created_at:%F %T}"


class Signal(TeamOwned):
    """What a strategy wants of a symbol at the last bar of a scan, with the parts of its score.

    ``signal_at`` is the close of the bar at which it came to want that, ``bar_at`` the last one.
    A strategy that could not be computed has the code of why in ``refusal``.
    """

    scan = models.ForeignKey(Scan, on_delete=models.CASCADE, related_name="signals")
    strategy = models.CharField(max_length=80)
    symbol = models.CharField(max_length=80)
    side = models.SmallIntegerField(default=0)
    signal_at = models.DateTimeField(null=True)
    bar_at = models.DateTimeField(null=True)
    bars_since = models.PositiveIntegerField(default=0)
    price = models.FloatField(null=True)
    score = models.FloatField(null=True)
    components = models.JSONField(default=dict)
    missing = models.JSONField(default=list)
    state = models.CharField(max_length=40, blank=True, default="")
    refusal = models.CharField(max_length=80, blank=True, default="")
    reason = models.CharField(max_length=400, blank=True, default="")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("scan", "strategy", "symbol"), name="one_signal_per_strategy_and_symbol"
            ),
        )
        indexes = (
            models.Index(fields=("team", "-signal_at", "-id"), name="signal_team_recent"),
            models.Index(fields=("team", "symbol", "strategy", "-id"), name="signal_history"),
        )

    def __str__(self) -> str:
        return f"{self.strategy} {self.symbol} {self.side:+d}"


class ScanSchedule(TeamOwned):
    """A scan that starts by itself, every hour at a minute or every day at an hour (UTC)."""

    class Every(models.TextChoices):
        """How often."""

        HOUR = "hour"
        DAY = "day"

    universe = models.CharField(max_length=120)
    strategies = models.JSONField(default=list)
    every = models.CharField(max_length=8, choices=Every)
    at_utc = models.TimeField()
    is_on = models.BooleanField(default=True)
    next_at = models.DateTimeField(null=True)
    last_scan = models.ForeignKey(Scan, null=True, on_delete=models.SET_NULL, related_name="+")
    error = models.CharField(max_length=400, blank=True, default="")
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=160, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(
                fields=("next_at",), name="scan_schedule_due", condition=models.Q(is_on=True)
            ),
        )

    def __str__(self) -> str:
        return f"{self.universe} every {self.every}"


class AlertTarget(TeamOwned):
    """Where messages about signals go. The address is sealed and never read back."""

    class Status(models.TextChoices):
        """What the last message came to."""

        UNTESTED = "untested"
        WORKS = "works"
        REFUSED = "refused"
        UNREACHABLE = "unreachable"

    name = models.CharField(max_length=80)
    scheme = models.CharField(max_length=16)
    sealed = models.TextField()
    status = models.CharField(max_length=12, choices=Status, default=Status.UNTESTED)
    note = models.CharField(max_length=400, blank=True, default="")
    checked_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=160, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("team", "name"), name="one_alert_target_per_name"),
        )

    def __str__(self) -> str:
        return self.name


class AlertRule(TeamOwned):
    """Which signals are told to a target; no strategies, no universe mean any."""

    name = models.CharField(max_length=80)
    target = models.ForeignKey(AlertTarget, on_delete=models.CASCADE, related_name="rules")
    strategies = models.JSONField(default=list)
    universe = models.CharField(max_length=120, blank=True, default="")
    min_score = models.FloatField(null=True)
    min_agree = models.PositiveSmallIntegerField(default=1)
    is_on = models.BooleanField(default=True)
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=160, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("team", "name"), name="one_alert_rule_per_name"),
        )

    def __str__(self) -> str:
        return self.name


class AlertMark(TeamOwned):
    """What a rule has told of a strategy and symbol, so that each change is told once."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="marks")
    universe = models.CharField(max_length=120)
    strategy = models.CharField(max_length=80)
    symbol = models.CharField(max_length=80)
    side = models.SmallIntegerField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("rule", "universe", "strategy", "symbol"), name="one_mark_per_signal"
            ),
        )

    def __str__(self) -> str:
        return f"{self.strategy} {self.symbol} {self.side:+d}"


class AlertMessage(TeamOwned):
    """A message about signals: what a rule told a target after a scan, and how that went."""

    class Status(models.TextChoices):
        """How far it has come."""

        QUEUED = "queued"
        SENT = "sent"
        FAILED = "failed"

    target = models.ForeignKey(
        AlertTarget, null=True, on_delete=models.SET_NULL, related_name="messages"
    )
    target_name = models.CharField(max_length=80)
    rule = models.ForeignKey(AlertRule, null=True, on_delete=models.SET_NULL, related_name="+")
    rule_name = models.CharField(max_length=80)
    scan = models.ForeignKey(Scan, on_delete=models.CASCADE, related_name="messages")
    title = models.CharField(max_length=200)
    body = models.TextField()
    signals = models.PositiveIntegerField()
    status = models.CharField(max_length=8, choices=Status, default=Status.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    reason = models.CharField(max_length=400, blank=True, default="")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="alert_message_recent"),
        )

    def __str__(self) -> str:
        return self.title
