"""Writes of strategies and of versions, which never change."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotFound
from apps.strategies import selectors
from apps.strategies.kernel.versions import ENGINE_VERSION, digest_of
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.selectors import VersionView, view_of
from apps.strategies.services.probes import probe_by_itself

NAME = re.compile(r"[a-z][a-z0-9_]{1,78}")
EXPRESSION = "expression"


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
        strategy, base, text = _resolve(actor, str(name), now)
        return add_version(actor, strategy, {**base, **params}, note, now, text)


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
    check_name(name, title)
    with transaction.atomic():
        if Strategy.objects.filter(team_id=actor.team, name=name).exists():
            message = f"The team has a strategy {name!r} already; add a version or rename yours."
            raise Conflict(message, code="strategy.name_taken", details={"field": "name"})
        strategy = add_strategy(actor, name, title, kind, plug, about, now)
        return add_version(actor, strategy, params, note, now)


def create_version(
    *,
    actor: Actor,
    strategy_id: int,
    params: dict[str, Any],
    now: datetime,
    note: str = "",
    base: int | None = None,
) -> VersionView:
    """Store a new version of a strategy, begun from the version ``base`` if that is told.

    Raises ``Conflict`` when it equals one there is, and (``version.newer``) when someone has
    stored another since ``base``.
    """
    actor.require("research.write")
    with transaction.atomic():
        rows = Strategy.objects.select_for_update(of=("self",))
        strategy = rows.filter(team_id=actor.team, pk=strategy_id).first()
        if strategy is None:
            message = f"There is no strategy {strategy_id} in this team."
            raise NotFound(message, code="strategy.not_found")
        refuse_stale(strategy, base)
        known = set(strategy.versions.values_list("pk", flat=True))
        version = add_version(actor, strategy, params, note, now, _newest_text(strategy))
    if version.id in known:
        message = f"Version {version.number} is exactly this already; change a parameter."
        raise Conflict(message, code="version.same", details={"version_id": version.id})
    return version


def refuse_stale(strategy: Strategy, base: int | None) -> None:
    """Refuse to save over a version that the writer has not seen; the strategy's row is locked.

    Raises ``Conflict`` with the newest version in the details.
    """
    newest = strategy.versions.order_by("-number").first()
    if base is None or newest is None or newest.pk == base:
        return
    who = newest.created_by_label or newest.created_by
    message = (
        f"{who} has saved version {newest.number} since you began; yours is not saved. Compare "
        f"the two, then save yours after it or take over theirs."
    )
    found = {"field": "base", "version_id": newest.pk, "number": newest.number, "by": who}
    raise Conflict(message, code="version.newer", details=found)


def _resolve(actor: Actor, name: str, now: datetime) -> tuple[Strategy, dict[str, Any], str]:
    """Return the strategy meant by ``name``, the parameters to start from, and its own text."""
    if name.isdecimal():
        version = selectors.get_version_detail(int(name), actor.team)
        row = Strategy.objects.get(pk=version["strategy_id"])
        return row, version["params"], version["source"]
    strategy = Strategy.objects.filter(team_id=actor.team, name=name).first()
    if strategy is not None and not selectors.is_in_library(name):
        newest = strategy.versions.order_by("-number").first()
        return strategy, newest.params if newest else {}, _newest_text(strategy)
    return strategy or _add_member(actor, name, now), {}, ""


def _newest_text(strategy: Strategy) -> str:
    newest = strategy.versions.order_by("-number").first()
    return newest.source if newest else ""


def _add_member(actor: Actor, name: str, now: datetime) -> Strategy:
    spec = selectors.get_strategy(name).spec
    kind = Strategy.Kind.EXPRESSION if name == EXPRESSION else Strategy.Kind.LIBRARY
    return add_strategy(actor, name, spec.title, kind, name, spec.about, now)


def add_strategy(
    actor: Actor, name: str, title: str, kind: str, plug: str, about: str, now: datetime
) -> Strategy:
    """Return the team's strategy of that name, stored if need be, in the caller's transaction."""
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


def add_version(
    actor: Actor,
    strategy: Strategy,
    params: dict[str, Any],
    note: str,
    now: datetime,
    text: str = "",
) -> VersionView:
    """Return the strategy's version with these parameters; the row lock makes numbers unique."""
    Strategy.objects.select_for_update().get(pk=strategy.pk)
    recipe = selectors.recipe_of(strategy, text)
    checked = recipe.check(params)
    digest = digest_of(
        kind=strategy.kind,
        plug=recipe.name,
        source_digest=recipe.source_digest,
        params=checked,
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
        source=checked[EXPRESSION] if strategy.plug == EXPRESSION else recipe.source,
        source_digest=recipe.source_digest,
        engine=ENGINE_VERSION,
        note=note[:400],
        created_by=actor.name,
        created_by_label=actor.label,
        created_at=now,
    )
    body = {"strategy": strategy.name, "number": row.number, "digest": digest, "params": checked}
    record(actor=actor, action="version.created", subject=f"version:{row.pk}", body=body, now=now)
    version = view_of(row)
    probe_by_itself(version, now)
    return version


def _refuse_python(kind: str) -> None:
    if kind == Strategy.Kind.PYTHON:
        message = "A Python strategy is saved with its text; see POST /api/v1/strategies/code."
        raise Invalid(message, code="strategy.kind", details={"field": "kind"})


def _plug_of(kind: str, plug: str) -> str:
    """Return the library member that runs a strategy of ``kind``."""
    if kind == Strategy.Kind.EXPRESSION:
        return EXPRESSION
    if kind != Strategy.Kind.LIBRARY:
        kinds = ", ".join(Strategy.Kind.values)
        message = f"{kind!r} is no kind of strategy; choose one of {kinds}."
        raise Invalid(message, code="strategy.kind", details={"field": "kind"})
    return selectors.get_strategy(plug).spec.name


def check_name(name: str, title: str) -> None:
    """Raise ``Invalid`` for a name or title that can't be."""
    if not NAME.fullmatch(name) or selectors.is_in_library(name):
        message = (
            f"{name!r} can't be a strategy's name; take 2 to 79 lower-case letters, digits and _, "
            "beginning with a letter, and no name of the library."
        )
        raise Invalid(message, code="strategy.name", details={"field": "name"})
    if not 1 <= len(title.strip()) <= 160:
        message = f"The title has {len(title)} characters; it has 1 to 160."
        raise Invalid(message, code="strategy.title", details={"field": "title"})
