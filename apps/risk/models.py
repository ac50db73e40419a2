"""Tables of risk: limit sets, reports, breaches."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.core.models import TeamOwned


class LimitSet(TeamOwned):
    """Limits as they were set; a change adds a version. ``subject`` empty is the whole team."""

    subject = models.CharField(max_length=80, blank=True, default="")
    version = models.PositiveIntegerField()
    values = models.JSONField()
    reason = models.CharField(max_length=500)
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=160, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("team", "subject", "version"), name="one_limit_set_per_version"
            ),
            models.CheckConstraint(condition=Q(version__gte=1), name="limit_set_version_counts"),
        )

    def __str__(self) -> str:
        return f"{self.subject or 'team'} v{self.version}"


class RiskReport(TeamOwned):
    """VaR and ES of a book or a run; ``is_live`` marks the one a book keeps up to date."""

    subject = models.CharField(max_length=120)
    title = models.CharField(max_length=200)
    is_live = models.BooleanField(default=False)
    body = models.JSONField()
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("team", "subject"),
                condition=Q(is_live=True),
                name="one_live_report_per_subject",
            ),
        )
        indexes = (models.Index(fields=("team", "-created_at", "-id"), name="report_team_recent"),)

    def __str__(self) -> str:
        return self.title


class Breach(TeamOwned):
    """An order that the guard refused, or a limit that a book has run past."""

    subject = models.CharField(max_length=120)
    code = models.CharField(max_length=40)
    message = models.CharField(max_length=500)
    created_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("team", "-created_at", "-id"), name="breach_team_recent"),)

    def __str__(self) -> str:
        return f"{self.code} {self.subject}"


class Stop(TeamOwned):
    """The emergency stop of a deployment, an account or a team.

    ``trips`` counts how often it tripped; ``marks`` is what the next look has to know.
    """

    class State(models.TextChoices):
        """In the last two nothing is opened."""

        OK = "ok"
        WARNING = "warning"
        ACTIVE = "active"
        COOLDOWN = "cooldown"

    scope = models.CharField(max_length=40, unique=True)
    state = models.CharField(max_length=10, choices=State, default=State.OK)
    equity = models.FloatField()
    peak = models.FloatField()
    day_start = models.FloatField()
    day = models.DateField()
    drawdown_limit = models.FloatField(null=True)
    daily_loss_limit = models.FloatField(null=True)
    cause = models.CharField(max_length=300, blank=True, default="")
    trips = models.PositiveIntegerField(default=0)
    tripped_at = models.DateTimeField(null=True)
    cool_until = models.DateTimeField(null=True)
    marks = models.JSONField(default=dict)
    updated_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("team", "scope"), name="stop_team_scope"),)

    def __str__(self) -> str:
        return f"{self.scope} {self.state}"


class GradeRun(TeamOwned):
    """How the risk models did on one book or run, up to its last return.

    ``digest`` is of the returns that were graded: the same ones are graded once. ``series``, the
    figures told day by day, is kept by the newest of a subject alone.
    """

    subject = models.CharField(max_length=120)
    title = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    until = models.DateTimeField()
    days = models.PositiveIntegerField()
    window = models.PositiveIntegerField()
    colour = models.CharField(max_length=10)
    in_force = models.CharField(max_length=40)
    before = models.CharField(max_length=40)
    reason = models.CharField(max_length=500, blank=True, default="")
    body = models.JSONField()
    series = models.JSONField(default=dict)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("team", "subject", "digest"), name="returns_are_graded_once"
            ),
        )
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="grade_team_recent"),
            models.Index(fields=("team", "subject", "-id"), name="grade_team_subject"),
        )

    def __str__(self) -> str:
        return f"{self.subject} {self.colour}"


class Scenario(TeamOwned):
    """A table of shocks as people thought of it; a change adds a version."""

    name = models.CharField(max_length=80)
    version = models.PositiveIntegerField()
    title = models.CharField(max_length=160)
    note = models.CharField(max_length=500, blank=True, default="")
    shocks = models.JSONField()
    is_archived = models.BooleanField(default=False)
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=160, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("team", "name", "version"), name="one_scenario_per_version"
            ),
            models.CheckConstraint(condition=Q(version__gte=1), name="scenario_version_counts"),
        )
        indexes = (models.Index(fields=("team", "name", "-version"), name="scenario_team_name"),)

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class BookReport(TeamOwned):
    """The whole risk of a book as it stood at ``as_of``: the figures, and the PDF made of them.

    ``digest`` is of ``body``, and the bytes follow from it: the same risk is written once.
    """

    subject = models.CharField(max_length=120)
    title = models.CharField(max_length=200)
    as_of = models.DateTimeField()
    digest = models.CharField(max_length=64)
    body = models.JSONField()
    pdf = models.BinaryField()
    pdf_digest = models.CharField(max_length=64)
    pages = models.PositiveIntegerField()
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("team", "subject", "digest"), name="same_risk_is_written_once"
            ),
        )
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="bookreport_team_recent"),
        )

    def __str__(self) -> str:
        return f"{self.title} {self.as_of:%Y-%m-%d}"


class ReportMail(TeamOwned):
    """The reports of a night on their way to one member; one row a night, so one mail.

    ``reports`` are the ids of the book reports it carries.
    """

    class Status(models.TextChoices):
        """``skipped``: the member had left before it was sent."""

        QUEUED = "queued"
        SENT = "sent"
        FAILED = "failed"
        SKIPPED = "skipped"

    night = models.DateField()
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    reports = models.JSONField(default=list)
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    reason = models.CharField(max_length=400, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("team", "night", "user"), name="one_report_mail_a_night"
            ),
        )

    def __str__(self) -> str:
        return f"{self.night} {self.status}"


class ReportWish(TeamOwned):
    """Whether a member wants the nightly report, whatever the team says of their role."""

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    is_wanted = models.BooleanField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("team", "user"), name="one_report_wish_a_member"),
        )

    def __str__(self) -> str:
        return f"{self.user_id} {self.is_wanted}"
