"""Reads of the trial ledger: families, what was tried, and what a run is worth beside it all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.cache import cache
from django.db.models import Count, F, Max, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from apps.backtests.kernel.integrity import families as sums
from apps.backtests.kernel.integrity.families import Kept
from apps.backtests.kernel.integrity.sharpe import Moments
from apps.backtests.models import Family, Run, Sweep, TrialEntry, TrialStream
from apps.core.errors import NotFound

# Figures of a state of a family never change; they are forgotten when nobody asks for so long.
KEEP_SECONDS = 7 * 24 * 3600
KEPT = ("calendar", "observations", "sharpe", "periods", "blocks", "path")
DOORS = {
    "run": "Runs",
    "sweep": "Combinations of sweeps",
    "forge": "Expressions of the forge",
    "walk_forward": "Fits of walk-forwards",
    "purged": "Fits of purged cross-validations",
}
PAGES = {
    "run": "/research/{}/",
    "sweep": "/research/sweeps/{}/",
    "validation": "/research/validations/{}/",
}


def list_entries(
    *, team_id: int, door: str = "", family: int | None = None
) -> QuerySet[TrialEntry]:
    """Return what the team tried; ``family`` with all that were joined to it."""
    rows = TrialEntry.objects.filter(team_id=team_id).select_related("family")
    if door:
        rows = rows.filter(door=door)
    if family is not None:
        rows = rows.filter(family__in=_members(get_family(family, team_id)))
    return rows


def entry_row(entry: TrialEntry) -> dict[str, Any]:
    """Return an entry as lists show it."""
    return {
        "id": entry.pk,
        "subject": entry.subject,
        "door": entry.door,
        "trials": entry.trials,
        "family": {"id": entry.family.top_id, "name": entry.family.name},
        "link": link_of(entry.subject),
        "created_at": entry.created_at,
    }


def link_of(subject: str) -> str:
    """Return the page of what an entry counts."""
    kind, _, rest = subject.partition(":")
    place = PAGES.get(kind)
    number = rest.partition("/")[0]
    return place.format(number) if place else f"/assistant/searches/{number}/"


def get_family(family_id: int, team_id: int) -> Family:
    """Return a family, or the one it was joined to. Raises ``NotFound``."""
    rows = Family.objects.filter(team_id=team_id).select_related("root")
    found = rows.filter(pk=family_id).first()
    if found is None:
        message = f"There is no family {family_id} of trials here; see /research/families."
        raise NotFound(message, code="family.not_found")
    return found.root or found


def find_family_of(subject: str, team_id: int) -> Family | None:
    """Return the family that a trial counts in."""
    rows = TrialEntry.objects.filter(team_id=team_id, subject=subject)
    entry = rows.select_related("family__root").first()
    return (entry.family.root or entry.family) if entry else None


def find_family_of_strategy(strategy_id: int, team_id: int) -> Family | None:
    """Return the family of a strategy that was tried."""
    rows = Family.objects.filter(team_id=team_id, strategy_id=strategy_id)
    found = rows.select_related("root").first()
    return (found.root or found) if found else None


def _members(family: Family) -> QuerySet[Family]:
    return Family.objects.filter(Q(pk=family.pk) | Q(root_id=family.pk), team_id=family.team_id)


def list_family_rows(*, team_id: int) -> list[dict[str, Any]]:
    """Return every family with its trials by door, the most tried first: two queries."""
    top = Coalesce("family__root_id", "family_id")
    counted = TrialEntry.objects.filter(team_id=team_id).values("door", top=top)
    names = dict(Family.objects.filter(team_id=team_id, root=None).values_list("pk", "name"))
    found: dict[int, dict[str, Any]] = {}
    for row in counted.annotate(n=Sum("trials"), last=Max("created_at")).order_by():
        blank = {"id": row["top"], "name": names.get(row["top"], ""), "trials": 0, "last_at": None}
        one = found.setdefault(row["top"], blank | dict.fromkeys(DOORS, 0))
        one[row["door"]] = one.get(row["door"], 0) + row["n"]
        one["trials"] += row["n"]
        one["last_at"] = max(filter(None, (one["last_at"], row["last"])))
    return sorted(found.values(), key=lambda one: (-one["trials"], one["name"]))


def count_of(family: Family) -> dict[str, int]:
    """Return how many trials of a family there are by door."""
    rows = TrialEntry.objects.filter(family__in=_members(family)).values("door")
    counted = {row["door"]: row["n"] for row in rows.annotate(n=Sum("trials")).order_by()}
    return {**dict.fromkeys(DOORS, 0), **counted}


def whole_of(family: Family) -> sums.Family:
    """Return the figures of all trials of a family, computed once for each state of it."""
    subjects = TrialEntry.objects.filter(family__in=_members(family)).values("subject")
    rows = TrialStream.objects.filter(team_id=family.team_id, subject__in=subjects)
    state = rows.aggregate(n=Count("subject"))["n"]
    key = f"backtests.family.{family.team_id}.{family.pk}.{state}.{_joined(family)}"
    found = cache.get(key)
    if not isinstance(found, sums.Family):
        found = sums.family([Kept(*row) for row in rows.order_by("subject").values_list(*KEPT)])
        cache.set(key, found, KEEP_SECONDS)
    return found


def _joined(family: Family) -> int:
    return _members(family).count()


def significance_of(run: Run) -> dict[str, Any]:
    """Return what a run's Sharpe ratio is worth after all that was tried of its family.

    ``missing`` says why a figure is not there.
    """
    family = find_family_of(f"run:{run.pk}", run.team_id)
    stream = TrialStream.objects.filter(subject=f"run:{run.pk}").first()
    if family is None or stream is None:
        reason = "The run has fewer than 3 bars, or returns that are not finite."
        return {"trials": 0, "missing": {"deflated_sharpe": reason}}
    counted, whole = count_of(family), whole_of(family)
    total = sum(counted.values())
    mine = Moments(stream.sharpe, stream.skewness, stream.kurtosis, stream.observations)
    found = dict(sums.figures(mine, stream.periods, whole, total))
    return {
        **found,
        "trials": total,
        "by_door": counted,
        "with_returns": whole.streams,
        "calendars": whole.calendars,
        "family": {"id": family.pk, "name": family.name},
        "digest": stream.digest,
        "split": {k: v for k, v in whole.split.items() if not isinstance(v, list | dict)},
        "missing": _missing(found, whole),
    }


def _missing(found: Mapping[str, Any], whole: sums.Family) -> dict[str, str]:
    missing = {}
    if found["pbo"] is None:
        missing["pbo"] = (
            "It takes two trials on the same bars, 32 or more of them; "
            f"of {whole.streams} with returns no two are."
        )
    if found["min_track_record"] is None:
        missing["min_track_record"] = (
            "The ratio is not above what luck gives the best of so many trials: no record of it "
            "would be long enough."
        )
    return missing


def overfitting_of_sweep(sweep: Sweep) -> dict[str, Any]:
    """Return the overfitting of a sweep's combinations; nothing while fewer than two are done."""
    rows = TrialStream.objects.filter(
        team_id=sweep.team_id, subject__startswith=f"sweep:{sweep.pk}/"
    )
    key = f"backtests.sweep.{sweep.pk}.{rows.count()}"
    found = cache.get(key)
    if found is None:
        kept = [Kept(*row) for row in rows.order_by("subject").values_list(*KEPT)]
        found = dict(sums.split_of(kept))
        cache.set(key, found, KEEP_SECONDS)
    return dict(found)


def family_detail(family: Family) -> dict[str, Any]:
    """Return a family: what it holds, how much was tried, and what that adds up to."""
    counted, whole = count_of(family), whole_of(family)
    total = sum(counted.values())
    members = _members(family).order_by("pk")
    return {
        "id": family.pk,
        "name": family.name,
        "members": [
            {"id": one.pk, "name": one.name, "strategy_id": one.strategy_id} for one in members
        ],
        "trials": total,
        "by_door": counted,
        "with_returns": whole.streams,
        "calendars": whole.calendars,
        "groups": whole.groups,
        "effective_n": sums.scaled_number(whole.effective, whole.streams, total),
        "pbo": whole.split.get("pbo"),
        "split": whole.split,
        "best": best_runs(family),
    }


def best_runs(family: Family, most: int = 5) -> list[dict[str, Any]]:
    """Return the trials of a family with the highest Sharpe ratios per year."""
    subjects = TrialEntry.objects.filter(family__in=_members(family)).values("subject")
    rows = TrialStream.objects.filter(team_id=family.team_id, subject__in=subjects)
    rows = rows.annotate(yearly=F("sharpe") * F("periods") ** 0.5).order_by("-yearly", "subject")
    return [
        {"subject": row.subject, "sharpe": row.yearly, "link": link_of(row.subject)}
        for row in rows.defer("blocks", "path")[:most]
    ]
