"""What is kept of runs beside their figures: files, environments, mirrors, attributions."""

from __future__ import annotations

from django.db import models

from apps.backtests.models.runs import Run
from apps.core.models import TeamOwned


class Content(models.Model):
    """Bytes under their own sha-256, which the database checks: kept once, whoever needs them.

    Of the lab, not of a team: listings of what is installed, and the library drawings need.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    media_type = models.CharField(max_length=80)
    content = models.BinaryField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.digest


class RunFile(TeamOwned):
    """A drawing of a run, or a file that somebody put beside it; the database changes none.

    ``digest`` and ``size`` are those of the bytes as they are given out: ``content`` with the
    mark in it replaced by ``shared``.
    """

    class Kind(models.TextChoices):
        """Where it comes from."""

        PLOT = "plot"
        FILE = "file"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="files")
    kind = models.CharField(max_length=8, choices=Kind)
    name = models.CharField(max_length=120)
    media_type = models.CharField(max_length=80)
    digest = models.CharField(max_length=64)
    size = models.BigIntegerField()
    content = models.BinaryField()
    shared = models.ForeignKey(Content, null=True, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(max_length=400, blank=True, default="")
    created_by = models.CharField(max_length=80)
    created_by_label = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("run", "name"), name="run_file_once"),)

    def __str__(self) -> str:
        return self.name


class Mirror(TeamOwned):
    """A run as an MLflow server has it, or is yet to get it."""

    class Status(models.TextChoices):
        """Where it stands."""

        WAITING = "waiting"
        DONE = "done"
        REFUSED = "refused"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="mirrors")
    target = models.CharField(max_length=300)
    experiment = models.CharField(max_length=240, blank=True, default="")
    remote_id = models.CharField(max_length=64, blank=True, default="")
    link = models.CharField(max_length=500, blank=True, default="")
    status = models.CharField(max_length=8, choices=Status, default=Status.WAITING)
    tries = models.IntegerField(default=0)
    error = models.CharField(max_length=400, blank=True, default="")
    next_at = models.DateTimeField()
    created_at = models.DateTimeField()
    mirrored_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("run", "target"), name="mirrored_once"),)
        indexes = (models.Index(fields=("status", "next_at"), name="mirror_due"),)

    def __str__(self) -> str:
        return f"{self.run_id} at {self.target}"


class Attribution(TeamOwned):
    """Two runs and those in between: code, parameters, data taken from the one or the other.

    ``corners`` names the run of each mixture: ``100`` has the code of the other run only.
    """

    base = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    other = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    corners = models.JSONField(default=dict)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("base", "other"), name="attribution_once"),)

    def __str__(self) -> str:
        return f"{self.base_id} to {self.other_id}"
