"""Reads of share links, and what people outside are shown of a run."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.db.models import QuerySet

from apps.approvals.selectors import get_setting
from apps.backtests.kernel.curves import Curves
from apps.backtests.kernel.settings import SHARING
from apps.backtests.kernel.sharing import digest_of
from apps.backtests.models import Run, ShareLink, ShareView
from apps.backtests.selectors.results import get_curves, monthly_rows
from apps.backtests.selectors.runs import run_detail
from apps.backtests.selectors.sheets import intervals_of, regression_of, windows_of
from apps.core import tenancy
from apps.core.errors import NotFound

# The key of these signatures is made of the lab's secret and this word.
PURPOSE = "quantsite.backtests.share"
SHOWN, SHOWN_LOOKS, LOOKS_EACH = 50, 500, 3
UNKNOWN = "There is no such link; look whether the address is whole, or ask for a new one."


def get_opened(token: str, now: datetime) -> ShareLink:
    """Return the link of a token, as somebody who belongs to no team.

    Raises ``NotFound``: ``share.unknown`` for a changed or unknown token, ``share.expired``,
    ``share.revoked``, ``share.off`` while the team's setting allows no links.
    """
    try:
        Signer(salt=PURPOSE).unsign(token)
    except BadSignature:
        raise NotFound(UNKNOWN, code="share.unknown") from None
    with tenancy.scope(tenancy.LAB):  # who brings the secret of a link need belong to no team
        link = ShareLink.objects.filter(digest=digest_of(token)).first()
    if link is None:
        raise NotFound(UNKNOWN, code="share.unknown")
    if link.revoked_at is not None:
        raise NotFound("This link was called back; ask for a new one.", code="share.revoked")
    if link.expires_at <= now:
        message = f"This link ended on {link.expires_at:%Y-%m-%d %H:%M} UTC; ask for a new one."
        raise NotFound(message, code="share.expired")
    with tenancy.team(link.team_id):
        if not get_setting(link.team_id, SHARING):
            message = "The team lets nobody outside read sheets now; ask those who sent the link."
            raise NotFound(message, code="share.off")
    return link


def get_share(share_id: UUID | str, team_id: int, *, lock: bool = False) -> ShareLink:
    """Return a link of the team. Raises ``NotFound``, also for another team's."""
    rows = ShareLink.objects.select_for_update() if lock else ShareLink.objects.all()
    link = rows.filter(pk=share_id, team_id=team_id).first()
    if link is None:
        raise NotFound(f"There is no link {share_id} in this team.", code="share.not_found")
    return link


def list_shares(run: Run) -> QuerySet[ShareLink]:
    """Return the links of a run, newest first."""
    return ShareLink.objects.filter(run=run).order_by("-created_at", "-id")


def list_open(run: Run, now: datetime) -> QuerySet[ShareLink]:
    """Return the links of a run that are in force."""
    return list_shares(run).filter(revoked_at=None, expires_at__gt=now)


def list_looks(link: ShareLink) -> QuerySet[ShareView]:
    """Return the looks at a shared sheet, newest first."""
    return ShareView.objects.filter(link=link)


def look_row(look: ShareView) -> dict[str, Any]:
    """Return a look as lists show it."""
    return {"at": look.at, "network": look.network}


def share_row(link: ShareLink, now: datetime) -> dict[str, Any]:
    """Return a link as lists show it; what opens it is not stored."""
    state = "in force"
    if link.revoked_at is not None:
        state = "revoked"
    elif link.expires_at <= now:
        state = "expired"
    return {
        "id": str(link.pk),
        "run_id": str(link.run_id),
        "state": state,
        "note": link.note,
        "shows_strategy": link.shows_strategy,
        "views": link.views,
        "created_by": link.created_by_label or link.created_by,
        "created_at": link.created_at,
        "expires_at": link.expires_at,
        "revoked_at": link.revoked_at,
    }


def shares_panel(run: Run, now: datetime) -> dict[str, Any]:
    """Return the newest links of a run with their newest looks, and whether links are allowed."""
    links = list(list_shares(run)[:SHOWN])
    newest: dict[UUID, list[dict[str, Any]]] = {}
    for look in ShareView.objects.filter(link__in=links).order_by("-at", "-id")[:SHOWN_LOOKS]:
        mine = newest.setdefault(look.link_id, [])
        if len(mine) < LOOKS_EACH:
            mine.append(look_row(look))
    rows = [{**share_row(link, now), "looks": newest.get(link.pk, [])} for link in links]
    return {"links": rows, "sharing": get_setting(run.team_id, SHARING)}


def shared_sheet(link: ShareLink) -> dict[str, Any]:
    """Return all that people outside are shown of a run: its sheet, and no more of the team.

    ``detail`` lacks the strategy, its parameters, its instruments and who made it, unless the link
    shows them.
    """
    with tenancy.team(link.team_id):
        run = Run.objects.select_related("job", "study", "version").get(pk=link.run_id)
        return {
            "detail": _kept(run_detail(run), whole=link.shows_strategy),
            "curves": _curves(get_curves(run), whole=link.shows_strategy),
            "months": monthly_rows(run),
            "intervals": intervals_of(run),
            "factors": regression_of(run),
            **windows_of(run),
        }


FIGURES = (
    "metrics",
    "metrics_missing",
    "tail_losses",
    "periods_per_year",
    "first",
    "last",
    "bars",
    "timeframe",
    "currency",
    "fill_says",
    "costs_say",
    "price_mode",
    "digest",
    "data_digest",
    "engine_version",
    "significance",
)
STRATEGY = ("title", "strategy", "params", "instruments", "universe", "survivorship")
WORTH = (
    "trials",
    "deflated_sharpe",
    "probabilistic_sharpe",
    "benchmark_sharpe",
    "effective_n",
    "pbo",
    "min_track_record",
    "months_needed",
    "missing",
)


def _kept(detail: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """Return the fields of a run that a link shows."""
    found = {name: detail[name] for name in (*FIGURES, *(STRATEGY if whole else ()))}
    worth = detail["significance"] or {}
    found["significance"] = {name: worth.get(name) for name in WORTH}
    label = detail["benchmark"]["label"] if whole else ""
    return {**found, "benchmark": {**detail["benchmark"], "label": label}}


def _curves(curves: Curves, *, whole: bool) -> Curves:
    if whole:
        return curves
    told = {name: getattr(curves, name) for name in Curves.__slots__}
    return Curves(**{**told, "title": "", "benchmark_label": ""})
