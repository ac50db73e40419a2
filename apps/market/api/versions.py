"""REST: dividends, splits and figures, as they are or as they were known at a time."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query

from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, page
from apps.market import schemas, selectors, services
from apps.market.api.router import router


@router.get("/actions", response=list[schemas.ActionOut])
@permission("team.read")
def list_actions(request: HttpRequest, query: Query[schemas.ActionQuery]) -> Any:
    """List the dividends and splits of an instrument, the newest first."""
    return selectors.list_actions(team_id=signed_in(request).team, **query.dict())


@router.get("/metrics", response=Page[schemas.MetricOut])
@permission("team.read")
def list_metrics(request: HttpRequest, query: Query[schemas.MetricQuery]) -> Any:
    """List the figures of one kind of an instrument by time: funding, open interest, factors."""
    asked = query.dict(exclude={"cursor", "limit"})
    rows = selectors.list_metrics(team_id=signed_in(request).team, **asked)
    return page(rows, request, limit=query.limit, order=("ts",))


@router.post("/instruments/{symbol}/actions/withdraw", response=schemas.WithdrawnOut)
@permission("data.write")
def withdraw_actions(request: HttpRequest, symbol: str, body: schemas.WithdrawActionsIn) -> Any:
    """Take dividends or splits out of the data; they stay readable as of before."""
    actor, now = signed_in(request), clock.now()
    batch, count = services.withdraw_actions(actor=actor, symbol=symbol, now=now, **body.dict())
    return {"batch_id": batch.pk, "withdrawn": count}
