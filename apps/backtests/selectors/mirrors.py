"""What was mirrored to an MLflow server, and what waits."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Count

from apps.backtests.kernel.tracking import Address, read_address
from apps.backtests.models import Mirror, Run


def mirror_address() -> Address | None:
    """Return the server that is configured, or None. Raises ``Invalid`` for no good address."""
    if not settings.MLFLOW_TRACKING_URI:
        return None
    return read_address(
        settings.MLFLOW_TRACKING_URI,
        token=settings.MLFLOW_TRACKING_TOKEN,
        user=settings.MLFLOW_TRACKING_USERNAME,
        password=settings.MLFLOW_TRACKING_PASSWORD,
        in_the_clear=settings.MLFLOW_IN_THE_CLEAR,
    )


def list_mirrors(run: Run) -> list[dict[str, Any]]:
    """Return where a run was mirrored to, or is to be."""
    return [mirror_row(row) for row in Mirror.objects.filter(run=run).order_by("target")]


def mirror_row(row: Mirror) -> dict[str, Any]:
    """Return how a mirror stands."""
    return {
        "target": row.target,
        "experiment": row.experiment,
        "remote_id": row.remote_id,
        "link": row.link,
        "status": str(row.status),
        "tries": row.tries,
        "error": row.error,
        "mirrored_at": row.mirrored_at,
    }


def mirror_counts() -> dict[str, Any]:
    """Return how many runs of all teams are mirrored, wait or were refused; the last fault."""
    rows = dict(Mirror.objects.values_list("status").annotate(n=Count("pk")).order_by("status"))
    failed = Mirror.objects.exclude(status=Mirror.Status.DONE).exclude(error="")
    last = failed.order_by("-tries", "-pk").values_list("error", flat=True).first()
    return {**{name: rows.get(name, 0) for name in Mirror.Status.values}, "error": last or ""}
