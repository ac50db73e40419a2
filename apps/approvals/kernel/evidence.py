"""Evidence as people read it: figures, parameters, facts and links, whatever the kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

METRICS = "metrics"
# Parts that a page shows in a way of their own.
CHANGES, BOOK, TEXT, GUARD, STUDY = "changes", "book", "text", "guard", "study"
PARAMETERS = ("parameters", "params")
LINKS = "links"
FACTS = "facts"
# What the proposer added: shown apart, read by no gate.
STATED = "stated"
# How the names of figures are said in words.
NAMES = "names"
DECIMALS = 4
# A day, written as the time at which it begins.
MIDNIGHT = re.compile(r"\d{4}-\d\d-\d\dT00:00:00(\.0+)?(Z|\+00:00)?")
# Where the subjects that evidence names can be read; shown only where the site has the page.
PLACES = {
    "run": "/research/{id}/",
    "backtest": "/research/{id}/",
    "study": "/research/studies/{id}/",
    "sweep": "/research/sweeps/{id}/",
    "version": "/strategies/versions/{id}/",
    "account": "/live/{id}/",
    "deployment": "/live/deployments/{id}/",
    "hypothesis": "/assistant/hypotheses/{id}/",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a proposer asks for beside the stage; None leaves it to the policy, or open."""

    target_stage: str = ""
    account: int | None = None
    capital_usd: float | None = None
    valid_days: int | None = None
    review_days: int | None = None
    study: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """Evidence that the lab took itself, and what it knows of the subject besides.

    ``terms`` are those that the approval covers (``kernel.terms``).
    """

    evidence: dict[str, Any]
    current_stage: str = ""
    editors: tuple[str, ...] = ()
    terms: dict[str, Any] = field(default_factory=dict)


class EvidenceSource(Protocol):
    """Takes the evidence of a kind of proposal from something the lab computed."""

    # Names of what it measures; gates may hold on these.
    figures: frozenset[str]

    def take(
        self, *, team_id: int, subject: str, digest: str, run_id: str, asked: Asked, now: datetime
    ) -> Measured:
        """Return the evidence for exactly this subject. Raises ``LabError`` saying why not."""
        ...


class Outcome(Protocol):
    """Tells what became of a kind of proposal, or what would become of it now."""

    def read(
        self,
        *,
        team_id: int,
        proposal_id: UUID,
        status: str,
        terms: Mapping[str, Any],
        evidence: Mapping[str, Any],
        now: datetime,
    ) -> dict[str, Any]:
        """Return ``rows``, ``links``, ``reasons``, ``guard``, ``again``, as far as there are."""
        ...


class EvidenceFiles(Protocol):
    """Gives what a proposal rests on as files, for its evidence pack."""

    def files(
        self, *, team_id: int, subject: str, evidence: Mapping[str, Any]
    ) -> tuple[list[str], dict[str, bytes]]:
        """Return the subjects whose events belong to it, and files by name."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """A line: a name and a figure with its decimals, or words."""

    name: str
    value: Any
    is_number: bool
    places: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A place inside the lab where the evidence comes from."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """Evidence in parts."""

    metrics: tuple[Row, ...]
    parameters: tuple[Row, ...]
    facts: tuple[Row, ...]
    links: tuple[Link, ...]
    stated: tuple[Row, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    book: tuple[Mapping[str, Any], ...] = ()
    text: str = ""
    guard: Mapping[str, Any] = field(default_factory=dict)
    study: Mapping[str, Any] = field(default_factory=dict)


def arrange(evidence: Mapping[str, Any], subject: str) -> EvidenceView:
    """Return the evidence of a proposal on ``subject`` in parts."""
    parameters: Any = next((evidence[name] for name in PARAMETERS if name in evidence), {})
    known = {METRICS, LINKS, STATED, NAMES, CHANGES, BOOK, TEXT, GUARD, STUDY, *PARAMETERS}
    given = evidence.get(NAMES)
    names = given if isinstance(given, Mapping) else {}
    facts = {name: value for name, value in evidence.items() if name not in known}
    named = facts.pop(FACTS, {})  # its rows need no other name in front
    return EvidenceView(
        metrics=tuple(
            replace(row, name=str(names.get(row.name, row.name)))
            for row in _rows(evidence.get(METRICS))
        ),
        parameters=_rows(parameters),
        facts=_rows(named) + _rows(facts),
        links=tuple(_links(evidence, subject)),
        stated=_rows(evidence.get(STATED)),
        changes=_mapping(evidence.get(CHANGES)),
        book=tuple(row for row in _list(evidence.get(BOOK)) if isinstance(row, Mapping)),
        text=str(evidence.get(TEXT) or ""),
        guard=_mapping(evidence.get(GUARD)),
        study=_mapping(evidence.get(STUDY)),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _rows(values: Any, prefix: str = "") -> tuple[Row, ...]:
    if not isinstance(values, Mapping):
        return ()
    found: list[Row] = []
    for name, value in sorted(values.items()):
        if isinstance(value, Mapping):
            found += _rows(value, f"{prefix}{name}.")
        else:
            found.append(_row(f"{prefix}{name}", value))
    return tuple(found)


def _row(name: str, value: Any) -> Row:
    if isinstance(value, bool):
        return Row(name, "yes" if value else "no", is_number=False)
    if isinstance(value, int | float):
        places = 0 if isinstance(value, int) else DECIMALS
        return Row(name, value, is_number=True, places=places)
    if isinstance(value, list | tuple):
        return Row(name, ", ".join(str(item) for item in value), is_number=False)
    words = "" if value is None else str(value)
    return Row(name, words[:10] if MIDNIGHT.fullmatch(words) else words, is_number=False)


def _links(evidence: Mapping[str, Any], subject: str) -> list[Link]:
    given = evidence.get(LINKS)
    links = [
        Link(str(item.get("label") or item["href"]), str(item["href"]))
        for item in (given if isinstance(given, list) else [])
        if isinstance(item, Mapping) and is_inside(item.get("href"))
    ]
    named = [subject, *(f"{kind}:{evidence[kind]}" for kind in PLACES if kind in evidence)]
    seen = {link.href for link in links}
    for text in named:
        place = place_of(text)
        if place and place not in seen:
            links.append(Link(text, place))
            seen.add(place)
    return links


def place_of(subject: str) -> str:
    """Return the address of a subject's page; empty when it has none."""
    kind, _, identity = subject.partition(":")
    is_plain = identity.replace("-", "").isalnum()
    return PLACES[kind].format(id=identity) if kind in PLACES and is_plain else ""


def is_inside(href: Any) -> bool:
    """Tell whether a link stays inside the lab."""
    return isinstance(href, str) and href.startswith("/") and href[1:2] not in {"/", "\\"}
