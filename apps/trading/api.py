"""REST operations of trading: accounts, deployments, orders, positions, halts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Status

from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, Paging, page
from apps.risk import selectors as risk
from apps.risk import services as risk_services
from apps.trading import charts, schemas, selectors, services

router = Router(tags=["trading"])


@router.get("/accounts", response=Page[schemas.AccountOut])
@permission("team.read")
def list_accounts(request: HttpRequest, query: Query[Paging]) -> Any:
    """List the team's accounts as they stand."""
    rows = selectors.list_accounts(signed_in(request).team)
    return page(rows, request, limit=query.limit, row=selectors.account_json)


@router.post("/accounts", response={201: schemas.AccountOut})
@permission("trading.deploy")
def create_account(request: HttpRequest, body: schemas.AccountIn) -> Any:
    """Open an account on a feed."""
    actor, now = signed_in(request), clock.now()
    row = services.create_account(actor=actor, now=now, **body.dict())
    return Status(201, selectors.account_json(row))


@router.get("/accounts/{int:account_id}", response=schemas.AccountOut)
@permission("team.read")
def get_account(request: HttpRequest, account_id: int) -> Any:
    """Show an account as it stands."""
    row = selectors.get_account(account_id, signed_in(request).team)
    return selectors.account_json(row)


@router.get("/accounts/{int:account_id}/snapshot", response=schemas.Snapshot)
@permission("team.read")
def get_snapshot(request: HttpRequest, account_id: int) -> Any:
    """Show all of an account at once; fetch it again after a gap in the live messages."""
    return selectors.account_snapshot(account_id, signed_in(request).team)


@router.get("/accounts/{int:account_id}/equity", response=schemas.EquityOut)
@permission("team.read")
def get_equity(
    request: HttpRequest, account_id: int, deployment_id: int = 0, limit: int = 2000
) -> Any:
    """Return the newest equity points of an account or of one of its deployments."""
    team = signed_in(request).team
    return selectors.equity_json(account_id, team, deployment_id=deployment_id, limit=limit)


@router.get("/accounts/{int:account_id}/figures/equity")
@permission("team.read")
def get_equity_figure(request: HttpRequest, account_id: int) -> Any:
    """Return equity and drawdown as a Plotly figure."""
    team = signed_in(request).team
    account = selectors.get_account(account_id, team)
    curve = selectors.equity_curve(account_id, team)
    return charts.equity_figure(curve.ts, curve.equity, **selectors.equity_words(account))


@router.post("/risk/accounts/{int:account_id}", response={201: dict[str, Any]}, tags=["risk"])
@permission("team.read")
def measure_account(request: HttpRequest, account_id: int, body: schemas.RiskIn) -> Any:
    """Measure VaR and ES of an account's bar returns; keeps the report."""
    actor, now = signed_in(request), clock.now()
    asked = {**selectors.account_returns(account_id, actor.team), **body.dict()}
    row = risk_services.create_report(actor=actor, now=now, **asked)
    return Status(201, risk.report_as_dict(row))


@router.post("/risk/runs/{run_id}", response={201: dict[str, Any]}, tags=["risk"])
@permission("team.read")
def measure_run(request: HttpRequest, run_id: str, body: schemas.RiskIn) -> Any:
    """Measure VaR and ES of a backtest's returns; keeps the report."""
    actor, now = signed_in(request), clock.now()
    asked = {**selectors.run_returns(run_id, actor.team), **body.dict()}
    row = risk_services.create_report(actor=actor, now=now, **asked)
    return Status(201, risk.report_as_dict(row))


@router.get("/positions", response=Page[schemas.PositionOut])
@permission("team.read")
def list_positions(request: HttpRequest, query: Query[schemas.AccountQuery]) -> Any:
    """List what the team holds, by symbol."""
    rows = selectors.list_positions(signed_in(request).team, account_id=query.account_id)
    order = ("symbol", "id")
    return page(rows, request, limit=query.limit, order=order, row=selectors.position_row)


@router.get("/orders", response=Page[schemas.OrderOut])
@permission("team.read")
def list_orders(request: HttpRequest, query: Query[schemas.OrderQuery]) -> Any:
    """List orders, newest first."""
    wanted = query.dict(exclude={"cursor", "limit"})
    rows = selectors.list_orders(signed_in(request).team, **wanted)
    return page(rows, request, limit=query.limit, row=selectors.order_json)


@router.post("/orders", response={201: schemas.OrderOut})
@permission("trading.order")
def place_order(request: HttpRequest, body: schemas.OrderIn) -> Any:
    """Place a market order; the guard may refuse it, with every reason at once."""
    actor, now = signed_in(request), clock.now()
    row = services.place_order(actor=actor, now=now, **body.dict())
    return Status(201, selectors.order_json(row))


# Before the address of one order, which would take this for a number.
@router.post("/orders/proposals", response={201: schemas.ProposedOrder})
@permission("proposals.create")
def propose_order(request: HttpRequest, body: schemas.OrderProposalIn) -> Any:
    """Propose a single trade; a trader or risk manager decides before it expires."""
    made = services.propose_order(actor=signed_in(request), now=clock.now(), **body.dict())
    return Status(201, {"proposal_id": made.pk, "expires_at": made.expires_at})


@router.get("/orders/{order_id}", response=schemas.OrderOut)
@permission("team.read")
def get_order(request: HttpRequest, order_id: UUID) -> Any:
    """Show an order."""
    return selectors.order_json(selectors.get_order(order_id, signed_in(request).team))


@router.post("/orders/{order_id}/cancel", response=schemas.OrderOut)
@permission("trading.order")
def cancel_order(request: HttpRequest, order_id: UUID) -> Any:
    """Take an open order back."""
    actor, now = signed_in(request), clock.now()
    return selectors.order_json(services.cancel_order(actor=actor, order_id=order_id, now=now))


@router.get("/fills", response=Page[schemas.FillOut])
@permission("team.read")
def list_fills(request: HttpRequest, query: Query[schemas.AccountQuery]) -> Any:
    """List fills, newest first."""
    rows = selectors.list_fills(signed_in(request).team, account_id=query.account_id)
    return page(rows, request, limit=query.limit)


@router.get("/deployable", response=list[schemas.DeployableOut])
@permission("team.read")
def list_deployable(request: HttpRequest) -> Any:
    """List the versions that are approved for paper."""
    return selectors.list_deployable(signed_in(request).team)


@router.get("/deployments", response=Page[schemas.DeploymentOut])
@permission("team.read")
def list_deployments(request: HttpRequest, query: Query[schemas.DeploymentQuery]) -> Any:
    """List deployments, newest first."""
    wanted = query.dict(exclude={"cursor", "limit"})
    rows = selectors.list_deployments(signed_in(request).team, **wanted)
    return page(rows, request, limit=query.limit, row=selectors.deployment_json)


@router.post("/deployments", response={201: schemas.DeploymentOut})
@permission("trading.deploy")
def deploy(request: HttpRequest, body: schemas.DeploymentIn) -> Any:
    """Put an approved version to work, from the feed's next bar on."""
    actor, now = signed_in(request), clock.now()
    row = services.deploy(actor=actor, now=now, **body.dict())
    return Status(201, selectors.deployment_json(row))


@router.get("/deployments/{int:deployment_id}", response=schemas.DeploymentOut)
@permission("team.read")
def get_deployment(request: HttpRequest, deployment_id: int) -> Any:
    """Show a deployment."""
    row = selectors.get_deployment(deployment_id, signed_in(request).team)
    return selectors.deployment_json(row)


@router.post("/deployments/{int:deployment_id}/stop", response=schemas.DeploymentOut)
@permission("trading.deploy")
def stop_deployment(request: HttpRequest, deployment_id: int, body: schemas.StopIn) -> Any:
    """Take a version off its account; what it holds becomes the account's own."""
    actor, now = signed_in(request), clock.now()
    row = services.stop_deployment(
        actor=actor, deployment_id=deployment_id, reason=body.reason, now=now
    )
    return selectors.deployment_json(row)


@router.get("/halts", response=Page[schemas.HaltOut])
@permission("team.read")
def list_halts(request: HttpRequest, query: Query[Paging], halted_only: bool = False) -> Any:
    """List halts that touched the team, newest first."""
    rows = selectors.list_halts(signed_in(request).team, halted_only=halted_only)
    order = ("-halted_at", "-id")
    return page(rows, request, limit=query.limit, order=order, row=selectors.halt_json)


@router.post("/halts", response={201: schemas.HaltOut})
@permission("trading.halt")
def halt(request: HttpRequest, body: schemas.HaltIn) -> Any:
    """Halt a scope: no new intents from now on, open orders cancelled, the rest read back."""
    actor, now = signed_in(request), clock.now()
    row = services.halt(actor=actor, scope=body.scope, reason=body.reason, now=now)
    return Status(201, selectors.halt_json(row))


@router.post("/halts/resume", response={202: schemas.ResumeOut})
@permission("trading.resume")
def resume(request: HttpRequest, body: schemas.HaltIn) -> Any:
    """Propose that a halted scope trades again; a risk manager who is somebody else decides."""
    actor, now = signed_in(request), clock.now()
    made = services.propose_resume(actor=actor, scope=body.scope, reason=body.reason, now=now)
    row = selectors.get_halt(made.terms["scope"], actor.team)
    return Status(202, {**selectors.halt_json(row), "proposal_id": made.pk})


@router.get("/accounts/{int:account_id}/balancer", response=schemas.BalancerOut)
@permission("team.read")
def get_balancer(request: HttpRequest, account_id: int) -> Any:
    """Show what an account's balancer is set to, and what stands in its way now."""
    return selectors.balancer_json(account_id, signed_in(request).team)


@router.put(
    "/accounts/{int:account_id}/balancer",
    response={200: schemas.BalancerChanged, 202: schemas.BalancerChanged},
)
@permission("trading.deploy")
def set_balancer(request: HttpRequest, account_id: int, body: schemas.BalancerIn) -> Any:
    """Set an account's balancer; 202 with a proposal where it would send more by itself."""
    actor, now = signed_in(request), clock.now()
    values = body.policy.dict(exclude_unset=True)
    made = services.change_balancer(
        actor=actor, account_id=account_id, values=values, reason=body.reason, now=now
    )
    told = selectors.balancer_json(account_id, actor.team)
    status = 202 if made.proposal_id else 200
    return Status(status, {"balancer": told, "proposal_id": made.proposal_id})


@router.get("/accounts/{int:account_id}/balancer/runs", response=Page[schemas.BalanceOut])
@permission("team.read")
def list_balances(request: HttpRequest, account_id: int, query: Query[Paging]) -> Any:
    """List the runs of an account's balancer, newest first."""
    rows = selectors.list_balances(account_id, signed_in(request).team)
    return page(rows, request, limit=query.limit, row=selectors.balance_json)


@router.post("/accounts/{int:account_id}/balancer/runs", response={202: schemas.BalanceStarted})
@permission("team.read")
def start_balance(request: HttpRequest, account_id: int, body: schemas.BalanceIn) -> Any:
    """Run an account's balancer now; a trial is open to all, else it takes ``trading.order``."""
    actor, now = signed_in(request), clock.now()
    job = services.ask_for_balance(
        actor=actor, account_id=account_id, is_trial=body.is_trial, now=now
    )
    return Status(202, {"job": jobs.as_dict(job, now)})


@router.get(
    "/accounts/{int:account_id}/balancer/runs/{uuid:balance_id}", response=schemas.BalanceOut
)
@permission("team.read")
def get_balance(request: HttpRequest, account_id: int, balance_id: UUID) -> Any:
    """Show a run of an account's balancer."""
    row = selectors.get_balance(account_id, balance_id, signed_in(request).team)
    return selectors.balance_json(row)
