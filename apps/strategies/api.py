"""REST operations of strategies: the library, the inventory, versions, expressions."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, Paging, page
from apps.strategies import schemas, selectors, services
from apps.strategies.kernel.own_template import TEMPLATE
from apps.strategies.selectors import alerts, probes
from apps.strategies.selectors.signals import history_row, list_signal_history
from apps.strategies.services import alert_targets, schedules

router = Router(tags=["strategies"])


@router.get("/library", response=list[schemas.LibraryMemberOut])
@permission("team.read")
def list_library(request: HttpRequest) -> Any:  # noqa: ARG001 a door takes the request
    """List the library's strategies with parameters and sources."""
    return selectors.list_strategies()


@router.get("/strategies", response=Page[schemas.StrategyOut])
@permission("team.read")
def list_strategies(
    request: HttpRequest, paging: Query[Paging], kind: str = "", text: str = ""
) -> Any:
    """List the team's strategies, newest first."""
    rows = selectors.list_inventory(team_id=signed_in(request).team, kind=kind, text=text)
    found = page(rows, request, limit=paging.limit)
    return {**found, "items": selectors.views_of(found["items"])}


@router.post("/strategies", response={201: schemas.VersionOut})
@permission("research.write")
def create_strategy(request: HttpRequest, body: schemas.StrategyIn) -> Any:
    """Store a strategy of the team's own; answers with its first version."""
    made = services.create_strategy(actor=signed_in(request), now=clock.now(), **body.dict())
    return Status(201, made)


@router.get("/strategies/{strategy_id}", response=schemas.StrategyOut)
@permission("team.read")
def read_strategy(request: HttpRequest, strategy_id: int) -> Any:
    """Show a strategy."""
    return selectors.get_strategy_row(strategy_id, signed_in(request).team)


@router.get("/strategies/{strategy_id}/versions", response=Page[schemas.VersionOut])
@permission("team.read")
def list_strategy_versions(request: HttpRequest, strategy_id: int, paging: Query[Paging]) -> Any:
    """List the versions of a strategy, newest first."""
    team = signed_in(request).team
    selectors.get_strategy_row(strategy_id, team)
    rows = selectors.list_versions(team_id=team, strategy_id=strategy_id)
    return page(rows, request, limit=paging.limit, row=selectors.view_of)


@router.post("/strategies/{strategy_id}/versions", response={201: schemas.VersionOut})
@permission("research.write")
def create_version(request: HttpRequest, strategy_id: int, body: schemas.VersionIn) -> Any:
    """Store a new version of a strategy."""
    made = services.create_version(
        actor=signed_in(request), strategy_id=strategy_id, now=clock.now(), **body.dict()
    )
    return Status(201, made)


@router.get("/versions", response=Page[schemas.VersionOut])
@permission("team.read")
def list_versions(request: HttpRequest, paging: Query[Paging], stage: str = "") -> Any:
    """List the team's versions, newest first, at one stage if given."""
    rows = selectors.list_versions(team_id=signed_in(request).team, stage=stage)
    return page(rows, request, limit=paging.limit, row=selectors.view_of)


@router.post("/versions", response=schemas.VersionOut)
@permission("research.write")
def ensure_version(request: HttpRequest, body: schemas.EnsureIn) -> Any:
    """Return the version that is exactly this strategy with these parameters; made if need be."""
    return services.ensure_version(
        actor=signed_in(request),
        name=str(body.strategy),
        params=body.params,
        note=body.note,
        now=clock.now(),
    )


@router.get("/versions/{version_id}", response=schemas.VersionDetail)
@permission("team.read")
def read_version(request: HttpRequest, version_id: int) -> Any:
    """Show a version with its source text."""
    return selectors.get_version_detail(version_id, signed_in(request).team)


@router.get("/versions/{version_id}/diff", response=schemas.DiffOut)
@permission("team.read")
def diff_versions(request: HttpRequest, version_id: int, against: int) -> Any:
    """Show how ``version_id`` differs from the version ``against``."""
    return selectors.diff_versions(against, version_id, signed_in(request).team)


@router.post("/versions/{version_id}/compare", response=schemas.UnsavedDiffOut)
@permission("team.read")
def compare_unsaved(request: HttpRequest, version_id: int, body: schemas.UnsavedIn) -> Any:
    """Show how a text that was not saved differs from a version."""
    return selectors.diff_unsaved(version_id, signed_in(request).team, body.source, body.params)


@router.get("/versions/{version_id}/probes", response=Page[schemas.ProbeOut])
@permission("team.read")
def list_probes(request: HttpRequest, version_id: int, paging: Query[Paging]) -> Any:
    """List the look-ahead probes of a version, newest first."""
    rows = probes.list_probes(version_id, signed_in(request).team)
    return page(rows, request, limit=paging.limit)


@router.post("/versions/{version_id}/probes", response={202: schemas.ProbeStarted})
@permission("research.write")
def create_probe(request: HttpRequest, version_id: int) -> Any:
    """Probe a version for look-ahead; answers with the probe that waits or runs, if one does."""
    now = clock.now()
    row, job = services.create_probe(actor=signed_in(request), version_id=version_id, now=now)
    return Status(202, {"id": row.pk, "job": jobs.as_dict(job, now)})


@router.get("/probes/{probe_id}", response=schemas.ProbeOut)
@permission("team.read")
def read_probe(request: HttpRequest, probe_id: int) -> Any:
    """Show a look-ahead probe."""
    return probes.get_probe(probe_id, signed_in(request).team)


@router.post("/expressions/check", response=schemas.ExpressionOut)
@permission("team.read")
def check_expression(request: HttpRequest, body: schemas.ExpressionIn) -> Any:  # noqa: ARG001
    """Read a formula: its tree, words, lookback, unit, fields; or an error with its column."""
    return selectors.read_expression(body.expression)


@router.post("/expressions/preview", response=schemas.PreviewOut)
@permission("team.read")
def preview_expression(request: HttpRequest, body: schemas.PreviewIn) -> Any:
    """Show what a formula says of a universe: values over time, rank IC, turnover, coverage."""
    return selectors.preview_expression(team_id=signed_in(request).team, **body.dict())


@router.get("/expressions/operators", response=list[schemas.OperatorOut])
@permission("team.read")
def list_operators(request: HttpRequest) -> Any:  # noqa: ARG001
    """List every name of the language, with how it is written and what it means."""
    return selectors.list_operators()


@router.post("/scans", response={202: schemas.ScanStarted})
@permission("research.write")
def create_scan(request: HttpRequest, body: schemas.ScanIn) -> Any:
    """Ask every strategy about every symbol of a universe."""
    now = clock.now()
    row, job = services.create_scan(actor=signed_in(request), now=now, **body.dict())
    return Status(202, {"id": row.pk, "job": jobs.as_dict(job, now)})


@router.get("/scans", response=Page[schemas.ScanOut])
@permission("team.read")
def list_scans(request: HttpRequest, paging: Query[Paging], universe: str = "") -> Any:
    """List the team's scans, newest first."""
    rows = selectors.list_scans(team_id=signed_in(request).team, universe=universe)
    found = page(rows, request, limit=paging.limit)
    return {**found, "items": selectors.scan_views(found["items"])}


@router.get("/scans/{scan_id}", response=schemas.ScanOut)
@permission("team.read")
def read_scan(request: HttpRequest, scan_id: int) -> Any:
    """Show a scan and how far it is."""
    return selectors.get_scan(scan_id, signed_in(request).team)


@router.get("/scans/{scan_id}/readings", response=Page[schemas.SignalOut])
@permission("team.read")
def list_scan_readings(request: HttpRequest, scan_id: int, paging: Query[Paging]) -> Any:
    """List all a scan read by symbol, also what is refused and what nothing is wanted of."""
    team = signed_in(request).team
    selectors.get_scan(scan_id, team)
    rows = selectors.list_readings(team_id=team, scan_id=scan_id)
    return page(rows, request, limit=paging.limit, order=("symbol", "strategy"))


@router.get("/scans/{scan_id}/consensus", response=list[schemas.ConsensusOut])
@permission("team.read")
def list_scan_consensus(request: HttpRequest, scan_id: int) -> Any:
    """List how many strategies want each symbol of a scan."""
    team = signed_in(request).team
    selectors.get_scan(scan_id, team)
    return selectors.list_consensus(team_id=team, scan_id=scan_id)


@router.get("/signals/recent", response=Page[schemas.SignalOut])
@permission("team.read")
def list_recent_signals(
    request: HttpRequest,
    paging: Query[Paging],
    strategy: str = "",
    symbol: str = "",
    min_score: float | None = None,
    scan: int | None = None,
) -> Any:
    """List what strategies want by the newest scans, with scores; the latest turn first."""
    rows = selectors.list_signals(
        team_id=signed_in(request).team,
        scan_id=scan,
        strategy=strategy,
        symbol=symbol,
        min_score=min_score,
    )
    return page(rows, request, limit=paging.limit, order=("-signal_at", "-id"))


@router.get("/expressions/catalogue", response=list[schemas.PublishedOut])
@permission("team.read")
def list_published(request: HttpRequest, text: str = "") -> Any:  # noqa: ARG001
    """List the published formulas, those with ``text`` in name, formula or notes if given."""
    return selectors.list_published(text)


@router.get("/signals/history", response=Page[schemas.HistoryOut])
@permission("team.read")
def list_signal_changes(
    request: HttpRequest,
    paging: Query[Paging],
    symbol: str,
    strategy: str = "",
    universe: str = "",
) -> Any:
    """List what strategies wanted of a symbol at scan after scan, the newest first."""
    rows = list_signal_history(
        team_id=signed_in(request).team, symbol=symbol, strategy=strategy, universe=universe
    )
    return page(rows, request, limit=paging.limit, order=("-id",), row=history_row)


@router.get("/scan-schedules", response=list[schemas.ScheduleOut])
@permission("team.read")
def list_scan_schedules(request: HttpRequest) -> Any:
    """List the scans that start by themselves."""
    rows = alerts.list_schedules(team_id=signed_in(request).team)
    return [alerts.schedule_row(row) for row in rows]


@router.post("/scan-schedules", response={201: schemas.ScheduleOut})
@permission("research.write")
def create_scan_schedule(request: HttpRequest, body: schemas.ScheduleIn) -> Any:
    """Make a scan start by itself."""
    made = schedules.create_schedule(actor=signed_in(request), now=clock.now(), **body.dict())
    return Status(201, alerts.schedule_row(made))


@router.patch("/scan-schedules/{schedule_id}", response=schemas.ScheduleOut)
@permission("research.write")
def switch_scan_schedule(request: HttpRequest, schedule_id: int, body: schemas.SwitchIn) -> Any:
    """Let a scan start by itself, or not."""
    actor, now = signed_in(request), clock.now()
    row = schedules.switch_schedule(
        actor=actor, schedule_id=schedule_id, is_on=body.is_on, now=now
    )
    return alerts.schedule_row(row)


@router.delete("/scan-schedules/{schedule_id}", response={204: None})
@permission("research.write")
def delete_scan_schedule(request: HttpRequest, schedule_id: int) -> Any:
    """Remove a schedule; its scans stay."""
    actor, now = signed_in(request), clock.now()
    schedules.delete_schedule(actor=actor, schedule_id=schedule_id, now=now)
    return Status(204, None)


@router.get("/signal-alerts/targets", response=list[schemas.AlertTargetOut])
@permission("team.read")
def list_alert_targets(request: HttpRequest) -> Any:
    """List where messages about signals go; addresses are never shown."""
    rows = alerts.list_alert_targets(team_id=signed_in(request).team)
    return [alerts.target_row(row) for row in rows]


@router.put("/signal-alerts/targets/{name}", response=schemas.AlertTargetOut)
@permission("keys.manage")
def save_alert_target(request: HttpRequest, name: str, body: schemas.AlertTargetIn) -> Any:
    """Keep an address sealed, in place of the one before; it is never shown."""
    actor, now = signed_in(request), clock.now()
    row = alert_targets.save_alert_target(actor=actor, name=name, address=body.address, now=now)
    return alerts.target_row(row)


@router.post("/signal-alerts/targets/{name}/test", response=schemas.AlertTargetOut)
@permission("keys.manage")
def try_alert_target(request: HttpRequest, name: str) -> Any:
    """Send a message that says it is a test; the answer tells what came of it."""
    actor, now = signed_in(request), clock.now()
    return alerts.target_row(alert_targets.try_alert_target(actor=actor, name=name, now=now))


@router.delete("/signal-alerts/targets/{name}", response={204: None})
@permission("keys.manage")
def delete_alert_target(request: HttpRequest, name: str) -> Any:
    """Forget a target that no rule sends to."""
    actor, now = signed_in(request), clock.now()
    alert_targets.delete_alert_target(actor=actor, name=name, now=now)
    return Status(204, None)


@router.get("/signal-alerts/rules", response=list[schemas.AlertRuleOut])
@permission("team.read")
def list_alert_rules(request: HttpRequest) -> Any:
    """List which signals are told, and where."""
    rows = alerts.list_alert_rules(team_id=signed_in(request).team)
    return [alerts.rule_row(row) for row in rows]


@router.put("/signal-alerts/rules/{name}", response=schemas.AlertRuleOut)
@permission("research.write")
def save_alert_rule(request: HttpRequest, name: str, body: schemas.AlertRuleIn) -> Any:
    """Tell of signals from the next scan on, in place of the rule that had the name."""
    actor, now = signed_in(request), clock.now()
    row = alert_targets.save_alert_rule(actor=actor, name=name, now=now, **body.dict())
    return alerts.rule_row(row)


@router.delete("/signal-alerts/rules/{name}", response={204: None})
@permission("research.write")
def delete_alert_rule(request: HttpRequest, name: str) -> Any:
    """Remove a rule; its messages stay listed."""
    actor, now = signed_in(request), clock.now()
    alert_targets.delete_alert_rule(actor=actor, name=name, now=now)
    return Status(204, None)


@router.get("/signal-alerts/messages", response=Page[schemas.AlertMessageOut])
@permission("team.read")
def list_alert_messages(
    request: HttpRequest, paging: Query[Paging], status: str = "", scan: int | None = None
) -> Any:
    """List the messages about signals, the newest first."""
    rows = alerts.list_alert_messages(team_id=signed_in(request).team, status=status, scan_id=scan)
    return page(rows, request, limit=paging.limit, row=alerts.message_row)


@router.get("/code/template", response=schemas.TemplateOut)
@permission("team.read")
def read_code_template(request: HttpRequest) -> Any:  # noqa: ARG001 a door takes the request
    """Show the text that a new Python strategy begins with."""
    return {"text": TEMPLATE}


@router.post("/code/check", response=schemas.CodeOut)
@permission("team.read")
def check_code(request: HttpRequest, body: schemas.CodeIn) -> Any:  # noqa: ARG001
    """Read a strategy's text, without running it: what is wrong by line, what it declares."""
    return selectors.read_code(body.text)


@router.post("/code", response={201: schemas.VersionOut})
@permission("research.write")
def save_code(request: HttpRequest, body: schemas.CodeSaveIn) -> Any:
    """Store a text as the newest version of a Python strategy; the same text again adds none."""
    made = services.save_code(actor=signed_in(request), now=clock.now(), **body.dict())
    return Status(201, made)


@router.get("/versions/{version_id}/code", response=schemas.CodeStateOut)
@permission("team.read")
def read_code_state(request: HttpRequest, version_id: int) -> Any:
    """Show whether people let exactly this version's text run."""
    return selectors.code_state(version_id, signed_in(request).team)


@router.post("/versions/{version_id}/code/propose", response={201: schemas.CodeProposedOut})
@permission("proposals.create")
def propose_code(request: HttpRequest, version_id: int, body: schemas.CodeProposeIn) -> Any:
    """Propose that exactly this version's text may run in the sandbox."""
    actor, now = signed_in(request), clock.now()
    made = services.propose_code(
        actor=actor, version_id=version_id, rationale=body.rationale, now=now
    )
    return Status(201, {"proposal_id": str(made.pk), "status": made.status})
