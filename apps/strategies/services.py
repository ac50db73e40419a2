"""Writes of strategies: strategies, versions that never change, stages people decided, scans."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import datetime
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from apps.approvals.kernel.states import steps
from apps.audit.services import record
from apps.core import events, jobs
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.models import Job
from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import moment_of
from apps.market.selectors import get_universe
from apps.strategies import selectors
from apps.strategies.kernel.interface import check_params
from apps.strategies.kernel.scanning import Reading, batches, readings
from apps.strategies.kernel.versions import ENGINE_VERSION, digest_of
from apps.strategies.models import Scan, Signal, Strategy, StrategyVersion
from apps.strategies.selectors import VersionView, view_of

NAME = re.compile(r"[a-z][a-z0-9_]{1,78}")
EXPRESSION = "expression"
WARM_BARS = 400


def ensure_version(
    *, actor: Actor, name: str, params: dict[str, Any], now: datetime, note: str = ""
) -> VersionView:
    """Return the version that is exactly this strategy with these parameters, made if need be.

    Parameters
    ----------
    name
        A member of the library, a strategy of the team, or a version's id. For the last two,
        ``params`` change what the (newest) version has.

    Raises
    ------
    NotFound, Invalid
        For an unknown name and for parameters the strategy does not take.
    """
    actor.require("research.write")
    with transaction.atomic():
        strategy, base = _resolve(actor, str(name), now)
        return _add_version(actor, strategy, {**base, **params}, note, now)


def create_strategy(
    *,
    actor: Actor,
    name: str,
    title: str,
    kind: str,
    plug: str,
    params: dict[str, Any],
    now: datetime,
    about: str = "",
    note: str = "",
) -> VersionView:
    """Store a strategy of the team's own with its first version.

    Raises ``Invalid`` for a name, kind or parameters that can't be, ``Conflict`` for a name taken.
    """
    actor.require("research.write")
    _refuse_python(kind)
    plug = _plug_of(kind, plug)
    _check_name(name, title)
    with transaction.atomic():
        if Strategy.objects.filter(team_id=actor.team, name=name).exists():
            message = f"The team has a strategy {name!r} already; add a version or rename yours."
            raise Conflict(message, code="strategy.name_taken", details={"field": "name"})
        strategy = _add_strategy(actor, name, title, kind, plug, about, now)
        return _add_version(actor, strategy, params, note, now)


def create_version(
    *, actor: Actor, strategy_id: int, params: dict[str, Any], now: datetime, note: str = ""
) -> VersionView:
    """Store a new version of a strategy. Raises ``Conflict`` when it equals one there is."""
    actor.require("research.write")
    with transaction.atomic():
        strategy = Strategy.objects.filter(team_id=actor.team, pk=strategy_id).first()
        if strategy is None:
            message = f"There is no strategy {strategy_id} in this team."
            raise NotFound(message, code="strategy.not_found")
        _refuse_python(strategy.kind)
        known = set(strategy.versions.values_list("pk", flat=True))
        version = _add_version(actor, strategy, params, note, now)
    if version.id in known:
        message = f"Version {version.number} is exactly this already; change a parameter."
        raise Conflict(message, code="version.same", details={"version_id": version.id})
    return version


def set_stage(*, actor: Actor, version_id: int, stage: str, now: datetime) -> VersionView:
    """Move a version to the stage that people decided.

    Only the lab itself holds the permission, when a proposal was approved: there is no side door.
    Raises ``Conflict`` for a step the order of stages does not have.
    """
    actor.require("strategies.set_stage")
    with transaction.atomic():
        row = _lock_version(actor, version_id)
        return _move(actor, row, stage, row.tier, now)


def promote_version(
    *, actor: Actor, version_id: int, digest: str, stage: str, tier: int, now: datetime
) -> VersionView:
    """Carry out an approved promotion of exactly the version whose ``digest`` was approved.

    Raises ``Conflict`` when the version's digest is another, or there is no such step.
    """
    actor.require("strategies.set_stage")
    with transaction.atomic():
        row = _lock_version(actor, version_id)
        if row.digest != digest:
            message = (
                f"The approval is for {digest[:12]}…, but version {version_id} is "
                f"{row.digest[:12]}…; propose it anew."
            )
            raise Conflict(message, code="version.digest")
        return _move(actor, row, stage, tier, now)


def create_scan(
    *, actor: Actor, universe: str, strategies: list[str], now: datetime
) -> tuple[Scan, Job]:
    """Store a scan of a universe by strategies of the library (all without names); queue it.

    Raises ``NotFound`` for an unknown universe or strategy.
    """
    actor.require("research.write")
    found = get_universe(team_id=actor.team, name=universe)
    names = [selectors.get_strategy(name).spec.name for name in strategies]
    with transaction.atomic():
        row = Scan.objects.create(
            team_id=actor.team,
            universe=found.name,
            timeframe=found.timeframe,
            symbols=list(found.symbols),
            strategies=names or selectors.list_scanned(),
            created_by=actor.name,
            created_by_label=actor.label,
            created_at=now,
        )
        job = jobs.enqueue(
            actor=actor,
            kind="scan",
            title=f"Scan of {found.title}",
            task="strategies.scan",
            queue="compute",
            payload={"scan_id": row.pk},
            subject=f"scan:{row.pk}",
            now=now,
        )
        body = {"universe": found.name, "strategies": row.strategies, "symbols": len(row.symbols)}
        record(actor=actor, action="scan.created", subject=f"scan:{row.pk}", body=body, now=now)
    return row, job


def start_scan(progress: jobs.Progress) -> dict[str, Any]:
    """Make ready what batches need, and queue them; again from the start it queues none twice.

    Everything compiled is called once here, where there is time: a batch has thirty seconds.
    """
    row = Scan.objects.get(pk=progress.payload["scan_id"])
    panel = selectors.panel_to_scan(row, row.symbols[:2], progress.now()).rows(0, WARM_BARS)
    for at, name in enumerate(row.strategies):
        progress.tell(at, len(row.strategies), f"making ready {name}")
        _read_signals(name, panel)
    with transaction.atomic():
        row = Scan.objects.select_for_update(of=("self",)).get(pk=row.pk)
        if not row.batches:
            row.batches = _queue_batches(row, progress.now())
            row.save(update_fields=["batches"])
    return {"scan_id": row.pk, "batches": row.batches}


def _queue_batches(row: Scan, now: datetime) -> int:
    """Queue ten symbols at a time, and the universe as a whole for strategies that compare."""
    across = [name for name in row.strategies if selectors.get_strategy(name).spec.across]
    alone = [name for name in row.strategies if name not in across]
    parts = [(alone, symbols) for symbols in batches(row.symbols)] if alone else []
    parts += [(across, row.symbols)] if across else []
    for number, (names, symbols) in enumerate(parts, start=1):
        jobs.enqueue(
            actor=system("scanner", row.team_id),
            kind="scan_batch",
            title=f"Scan of {row.universe}, batch {number} of {len(parts)}",
            task="strategies.scan_batch",
            queue="compute",
            payload={"scan_id": row.pk, "strategies": names, "symbols": symbols},
            subject=f"scan:{row.pk}",
            now=now,
            # One that took too long takes too long again.
            max_attempts=1,
        )
    return len(parts)


def run_scan_batch(progress: jobs.Progress) -> dict[str, Any]:
    """Compute and store the signals of a batch; may be repeated and then stores the same.

    Raises ``Invalid`` (``scan.time_limit``) when the worker's limit comes near.
    """
    row = Scan.objects.get(pk=progress.payload["scan_id"])
    names, symbols = progress.payload["strategies"], progress.payload["symbols"]
    found: list[Reading] = []
    try:
        panel = selectors.panel_to_scan(row, symbols, progress.now())
        for at, name in enumerate(names):
            progress.tell(at, len(names), name)
            found += _read_signals(name, panel)
    except SoftTimeLimitExceeded:
        message = f"The batch of {', '.join(symbols[:3])}… was not done in time; it was ended."
        raise Invalid(message, code="scan.time_limit") from None
    _store_signals(row, found, progress.now())
    return {"signals": sum(one.side != 0 for one in found), "read": len(found)}


def _read_signals(name: str, panel: Panel) -> list[Reading]:
    strategy = selectors.get_strategy(name)
    return readings(strategy, check_params(strategy.spec, {}), panel)


def _store_signals(row: Scan, found: list[Reading], now: datetime) -> None:
    rows = []
    for one in found:
        values = asdict(one)
        for name in ("signal_at", "bar_at"):
            values[name] = None if values[name] is None else moment_of(values[name])
        rows.append(Signal(team_id=row.team_id, scan=row, **values))
    with transaction.atomic():
        Signal.objects.bulk_create(rows, ignore_conflicts=True)
        record(
            actor=system("scanner", row.team_id),
            action="scan.batch_stored",
            subject=f"scan:{row.pk}",
            body={"read": len(rows), "signals": sum(one.side != 0 for one in found)},
            now=now,
        )


def _lock_version(actor: Actor, version_id: int) -> StrategyVersion:
    rows = StrategyVersion.objects.select_for_update(of=("self",)).select_related("strategy")
    row = rows.filter(pk=version_id, team_id=actor.team).first()
    if row is None:
        message = f"There is no strategy version {version_id} in this team; see /strategies."
        raise NotFound(message, code="version.not_found")
    return row


def _move(actor: Actor, row: StrategyVersion, stage: str, tier: int, now: datetime) -> VersionView:
    if row.stage == stage:
        return view_of(row)
    body = {
        "from": row.stage,
        "to": stage,
        "steps": _steps(row.stage, stage),
        "tier": tier,
        "digest": row.digest,
    }
    row.stage, row.tier = stage, tier
    row.save(update_fields=["stage", "tier"])
    subject = f"version:{row.pk}"
    record(actor=actor, action="version.stage_set", subject=subject, body=body, now=now)
    events.emit(
        team_id=row.team_id,
        topic="approvals",
        kind="strategies.version.moved",
        data={"version_id": row.pk, "stage": stage, "digest": row.digest},
    )
    return view_of(row)


def _steps(before: str, stage: str) -> list[str]:
    try:
        return list(steps(before, stage))
    except ValueError as error:
        message = f"The version can't move: {error}."
        raise Conflict(message, code="version.stage") from error


def _resolve(actor: Actor, name: str, now: datetime) -> tuple[Strategy, dict[str, Any]]:
    """Return the strategy meant by ``name``, and the parameters to start from."""
    if name.isdecimal():
        version = selectors.get_version(name, actor.team)
        return Strategy.objects.get(pk=version.strategy_id), version.params
    strategy = Strategy.objects.filter(team_id=actor.team, name=name).first()
    if strategy is not None and not selectors.is_in_library(name):
        newest = strategy.versions.order_by("-number").first()
        return strategy, newest.params if newest else {}
    return strategy or _add_member(actor, name, now), {}


def _add_member(actor: Actor, name: str, now: datetime) -> Strategy:
    spec = selectors.get_strategy(name).spec
    kind = Strategy.Kind.EXPRESSION if name == EXPRESSION else Strategy.Kind.LIBRARY
    return _add_strategy(actor, name, spec.title, kind, name, spec.about, now)


def _add_strategy(
    actor: Actor, name: str, title: str, kind: str, plug: str, about: str, now: datetime
) -> Strategy:
    strategy, made = Strategy.objects.get_or_create(
        team_id=actor.team,
        name=name,
        defaults={
            "title": title,
            "kind": kind,
            "plug": plug,
            "about": about,
            "created_by": actor.name,
            "created_by_label": actor.label,
            "created_at": now,
        },
    )
    if made:
        body = {"name": name, "kind": kind, "plug": plug}
        subject = f"strategy:{strategy.pk}"
        record(actor=actor, action="strategy.created", subject=subject, body=body, now=now)
    return strategy


def _add_version(
    actor: Actor, strategy: Strategy, params: dict[str, Any], note: str, now: datetime
) -> VersionView:
    """Return the strategy's version with these parameters; the row lock makes numbers unique."""
    Strategy.objects.select_for_update().get(pk=strategy.pk)
    plug = selectors.get_strategy(strategy.plug)
    checked = check_params(plug.spec, params)
    plug.warmup(checked)
    source, source_digest = selectors.source_of(strategy.plug)
    digest = digest_of(
        kind=strategy.kind, plug=strategy.plug, source_digest=source_digest, params=checked
    )
    found = strategy.versions.filter(digest=digest).first()
    if found is not None:
        return view_of(found)
    row = StrategyVersion.objects.create(
        team_id=strategy.team_id,
        strategy=strategy,
        number=strategy.versions.count() + 1,
        digest=digest,
        params=checked,
        source=checked[EXPRESSION] if strategy.plug == EXPRESSION else source,
        source_digest=source_digest,
        engine=ENGINE_VERSION,
        note=note[:400],
        created_by=actor.name,
        created_by_label=actor.label,
        created_at=now,
    )
    body = {"strategy": strategy.name, "number": row.number, "digest": digest, "params": checked}
    record(actor=actor, action="version.created", subject=f"version:{row.pk}", body=body, now=now)
    return view_of(row)


def _refuse_python(kind: str) -> None:
    if kind == Strategy.Kind.PYTHON:
        message = (
            "Python strategies need a sandbox, which this lab does not have yet; write an alpha "
            "expression or use a strategy of the library."
        )
        raise Invalid(message, code="blocked_no_isolation", details={"field": "kind"})


def _plug_of(kind: str, plug: str) -> str:
    """Return the library member that runs a strategy of ``kind``."""
    if kind == Strategy.Kind.EXPRESSION:
        return EXPRESSION
    if kind != Strategy.Kind.LIBRARY:
        kinds = ", ".join(Strategy.Kind.values)
        message = f"{kind!r} is no kind of strategy; choose one of {kinds}."
        raise Invalid(message, code="strategy.kind", details={"field": "kind"})
    return selectors.get_strategy(plug).spec.name


def _check_name(name: str, title: str) -> None:
    if not NAME.fullmatch(name) or selectors.is_in_library(name):
        message = (
            f"{name!r} can't be a strategy's name; take 2 to 79 lower-case letters, digits and _, "
            "beginning with a letter, and no name of the library."
        )
        raise Invalid(message, code="strategy.name", details={"field": "name"})
    if not 1 <= len(title.strip()) <= 160:
        message = f"The title has {len(title)} characters; it has 1 to 160."
        raise Invalid(message, code="strategy.title", details={"field": "title"})
