"""Actions, figures, memberships and renames as they are, or as they were known at a time."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import Q, QuerySet

from apps.core.errors import Invalid, NotFound
from apps.market import store
from apps.market.kernel.periods import Moment, bounds, known_at, moment_of
from apps.market.models import (
    Action,
    ActionHistory,
    Instrument,
    Membership,
    MembershipHistory,
    Rename,
    RenameHistory,
)
from apps.market.selectors.locations import find_instrument


def versions(
    current: QuerySet[Any], past: QuerySet[Any], names: tuple[str, ...], as_of: Moment
) -> list[dict[str, Any]]:
    """Return the rows known at a time: those that still hold, and those superseded since."""
    known = known_at(as_of)
    if known is None:
        return list(current.values(*names))
    still = current.filter(known_at__lte=known).order_by()
    then = past.filter(known_at__lte=known, superseded_at__gt=known).order_by()
    return [*still.values(*names), *then.values(*names)]


def actions_of(*, instrument_id: int, as_of: Moment = None) -> list[dict[str, Any]]:
    """Return the dividends and splits of an instrument, the newest first."""
    names = ("kind", "on", "value", "factor", "known_at", "batch_id")
    rows = versions(
        Action.objects.filter(instrument_id=instrument_id),
        ActionHistory.objects.filter(instrument_id=instrument_id),
        names,
        as_of,
    )
    return sorted(rows, key=lambda row: (-row["on"].toordinal(), row["kind"]))


def list_actions(
    *, team_id: int, symbol: str, dataset: str = "", as_of: Moment = None
) -> list[dict[str, Any]]:
    """Return the dividends and splits of a symbol. Raises ``NotFound`` as others do."""
    row = find_instrument(team_id=team_id, symbol=symbol, dataset=dataset)
    return actions_of(instrument_id=row.pk, as_of=as_of)


def list_metrics(
    *,
    team_id: int,
    symbol: str,
    kind: str,
    dataset: str = "",
    start: Moment = None,
    end: Moment = None,
    as_of: Moment = None,
) -> list[dict[str, Any]]:
    """Return the figures of one kind of a symbol by time.

    Raises
    ------
    NotFound
        ``symbol.unknown``.
    Invalid
        ``metric.kind`` naming the kinds there are.
    """
    low, high = bounds(start, end)
    row = find_instrument(team_id=team_id, symbol=symbol, dataset=dataset)
    found = store.read_metric([row.pk], kind, low, high, known_at(as_of)).get(row.pk)
    if found is None:
        _check_kind(row, kind)
        return []
    return [
        {"ts": moment_of(int(ts)), "value": float(value)} for ts, value in zip(*found, strict=True)
    ]


def _check_kind(row: Instrument, kind: str) -> None:
    known = store.metric_kinds(row.pk)
    if kind not in known:
        names = ", ".join(known) or "none"
        message = f"{row.symbol} has no figures {kind!r}; there are {names}."
        raise Invalid(message, code="metric.kind", details={"field": "kind"})


def _visible(team_id: int) -> Q:
    return Q(dataset__team_id=team_id) | Q(dataset__team=None)


def members_on(*, team_id: int, index: str, on: date, as_of: Moment = None) -> list[str]:
    """Return the symbols that were in an index on a day, by what was known at a time.

    Raises
    ------
    NotFound
        ``index.unknown`` when nothing was known of it.
    """
    mine = _visible(team_id) & Q(index=index)
    rows = versions(
        Membership.objects.filter(mine),
        MembershipHistory.objects.filter(mine),
        ("symbol", "joined_on", "left_on"),
        as_of,
    )
    if not rows:
        when = f" as known at {known_at(as_of):%Y-%m-%d %H:%M}" if as_of else ""
        message = (
            f"No members of {index!r} are known{when}; upload them or ingest them from a provider."
        )
        raise NotFound(message, code="index.unknown", details={"field": "index"})
    return sorted({row["symbol"] for row in rows if _holds(row, on)})


def _holds(row: dict[str, Any], on: date) -> bool:
    joined, left = row["joined_on"], row["left_on"]
    return (joined is None or joined <= on) and (left is None or left > on)


def list_renames(*, team_id: int, symbol: str = "", as_of: Moment = None) -> list[dict[str, Any]]:
    """Return ticker changes, the oldest first; of one symbol when it is named."""
    mine = _visible(team_id)
    if symbol:
        mine &= Q(before=symbol) | Q(after=symbol)
    rows = versions(
        Rename.objects.filter(mine),
        RenameHistory.objects.filter(mine),
        ("before", "after", "on", "dataset__name"),
        as_of,
    )
    found = [{**row, "place": row.pop("dataset__name")} for row in rows]
    return sorted(found, key=lambda row: (row["on"], row["before"]))


def symbol_on(
    *, team_id: int, symbol: str, on: date, dataset: str = "", as_of: Moment = None
) -> str:
    """Return what a security that is called ``symbol`` today was called on a day."""
    rows = list_renames(team_id=team_id, as_of=as_of)
    for row in sorted(rows, key=lambda row: row["on"], reverse=True):
        is_later = row["on"] > on and dataset in ("", row["place"])
        if is_later and row["after"] == symbol:
            symbol = row["before"]
    return symbol
