"""Universes of a team."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.core.kernel.hashing import digest_json
from apps.core.kernel.timeframes import seconds_of
from apps.market.models import Dataset
from apps.market.selectors.locations import locate
from apps.market.selectors.rankings import Rule, pick
from apps.market.selectors.universes import UniverseView, view_of
from apps.market.services.universe_versions import add_version

NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
MAX_SYMBOLS = 5000


def create_universe(
    *,
    actor: Actor,
    name: str,
    timeframe: str,
    survivorship: str,
    now: datetime,
    symbols: Sequence[str] = (),
    title: str = "",
    dataset: str = "",
    rule: Rule | None = None,
) -> UniverseView:
    """Create a universe of the team, or the next version of the one with this name.

    Parameters
    ----------
    rule
        Picks the symbols instead of naming them; its words are added to ``survivorship``.

    Raises
    ------
    NotFound
        ``symbol.unknown``, ``dataset.unknown``, ``index.unknown``.
    Invalid
        ``universe.name``, ``universe.survivorship``, ``universe.datasets``, ``universe.symbols``,
        ``rule.nothing_traded``.
    """
    actor.require("data.write")
    if rule is not None:
        rule = replace(rule, dataset=rule.dataset or dataset)
        dataset = rule.dataset
        symbols = pick(team_id=actor.team, rule=rule, timeframe=timeframe)
        survivorship = f"{rule.words()} {survivorship}".strip()
    _check(name, symbols, timeframe, survivorship)
    found = locate(team_id=actor.team, symbols=symbols, timeframe=timeframe, dataset=dataset)
    places = {item.dataset_id for item in found}
    if len(places) > 1:
        message = "The symbols are spread over several datasets; a universe lies in one."
        raise Invalid(message, code="universe.datasets", details={"field": "symbols"})
    with transaction.atomic():
        row = add_version(
            team_id=actor.team,
            dataset=Dataset.objects.get(pk=places.pop()),
            name=name,
            title=title[:200],
            timeframe=timeframe,
            symbols=[item.symbol for item in found],
            survivorship=survivorship.strip(),
            by=actor.name,
            now=now,
        )
        audit.record(
            actor=actor,
            action="universe.created",
            subject=f"universe:{row.pk}",
            body={
                "name": name,
                "version": row.version,
                "symbols": len(row.symbols),
                "symbols_sha256": digest_json(row.symbols),
                "rule": rule.words() if rule else "",
            },
            now=now,
        )
    return view_of(row)


def _check(name: str, symbols: Sequence[str], timeframe: str, survivorship: str) -> None:
    seconds_of(timeframe)
    if not NAME.fullmatch(name):
        message = f"{name!r} is no name for a universe: use 2-63 of a-z, 0-9 and hyphens."
        raise Invalid(message, code="universe.name", details={"field": "name"})
    if not symbols:
        message = "Name the symbols, or give a rule that picks some."
        raise Invalid(message, code="universe.symbols", details={"field": "symbols"})
    if not survivorship.strip():
        message = "Say in a sentence who is missing from the universe; it is printed on results."
        raise Invalid(message, code="universe.survivorship", details={"field": "survivorship"})
    if len(symbols) > MAX_SYMBOLS:
        message = f"{len(symbols)} symbols were given; at most {MAX_SYMBOLS} are possible."
        raise Invalid(message, code="universe.size", details={"field": "symbols"})
