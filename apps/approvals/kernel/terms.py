"""The terms of a promotion: what an approval covers beside the version, and its conditions.

They are fixed when it is proposed and are part of the digest that is signed. Before anything runs
under the approval, and again at every claim of a worker, they are held against what would run now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from apps.core.kernel.hashing import digest_json

# Held against what would run; a term of None was left open and covers nothing.
COVERED = {
    "version": "the version",
    "code": "the code",
    "parameters": "the parameters",
    "engine": "the engine",
    "data": "the data that the evidence was computed on",
    "costs": "the cost model",
    "limits": "the risk limits",
    "account": "the target account",
}
# Enforced while the approval is in force.
CONDITIONS = {
    "capital_usd": "at most this capital, USD",
    "review_on": "to be reviewed by",
    "valid_until": "in force until",
}
DIGEST_LENGTH = 64
LAPSES = {
    "expired": "its time is over",
    "review": "its review date has passed and nobody renewed it",
    "changed": "what it covers has changed",
    "revoked": "it was taken back",
}


@dataclass(frozen=True, slots=True)
class Term:
    """A term as people read it; ``digest`` when it is one."""

    name: str
    label: str
    words: str
    digest: str = ""
    is_condition: bool = False


def arrange(terms: Mapping[str, Any]) -> list[Term]:
    """Return the terms of a promotion as people read them, the covered ones first."""
    found = [_term(name, label, terms.get(name)) for name, label in COVERED.items() if terms]
    if "version" not in terms:
        found = []
    conditions = [(name, label) for name, label in CONDITIONS.items() if terms.get(name)]
    return found + [_term(name, label, terms[name], True) for name, label in conditions]  # noqa: FBT003


def _words(values: Mapping[str, Any]) -> str:
    """Return names and values as people read them; what is empty or off says so."""
    parts = []
    for name, value in sorted(values.items()):
        if isinstance(value, Mapping):
            said = f"({_words(value)})" if value else "none"
        elif isinstance(value, list):
            said = " ".join(map(str, value)) or "none"
        else:
            is_plain = not isinstance(value, bool) and value is not None
            said = str(value) if is_plain else {None: "off", True: "yes", False: "no"}[value]
        parts.append(f"{name.replace('_', ' ')} {said}")
    return ", ".join(parts)


def _term(name: str, label: str, value: Any, is_condition: bool = False) -> Term:
    label = label.removeprefix("the ").capitalize()
    if value is None:
        return Term(name, label, "left open: any paper account, with its own")
    if isinstance(value, Mapping):
        inner = value.get("digest")
        rest = {key: item for key, item in value.items() if key != "digest"}
        return Term(name, label, _words(rest), str(inner or ""))
    if isinstance(value, str) and len(value) == DIGEST_LENGTH:
        return Term(name, label, "", value)
    if name == "capital_usd":
        return Term(name, label, f"{value:,.0f}", "", is_condition)
    words = str(value)[:16].replace("T", " ") if name == "valid_until" else str(value)
    return Term(name, label, words, "", is_condition)


def changed(agreed: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the names of the covered terms that are no longer as agreed."""
    return [
        name
        for name in COVERED
        if agreed.get(name) is not None and same(agreed[name]) != same(now.get(name))
    ]


def same(value: Any) -> str:
    """Return what two values share when they are the same JSON.

    A part that is off (null) is as one that isn't there: a limit that the lab learned to know
    after the approval, and that nobody set, changes nothing.
    """
    if isinstance(value, Mapping):
        value = {name: part for name, part in value.items() if part is not None}
    return digest_json({"value": value})


def words_for(names: list[str]) -> str:
    """Return changed terms as people say them."""
    return ", ".join(COVERED[name] for name in names)


def valid_until(terms: Mapping[str, Any]) -> datetime | None:
    """Return when the approval ends by itself; None when it says nothing of that."""
    text = terms.get("valid_until")
    return datetime.fromisoformat(text) if text else None


def review_on(terms: Mapping[str, Any]) -> date | None:
    """Return the day on which it is to be reviewed."""
    text = terms.get("review_on")
    return date.fromisoformat(text) if text else None


def lapse_reason(terms: Mapping[str, Any], now: datetime, grace_days: int) -> str:
    """Return why an approval with these terms is no longer in force; empty while it is."""
    ends, review = valid_until(terms), review_on(terms)
    if ends is not None and now >= ends:
        return "expired"
    if review is not None and now.date() > review + timedelta(days=grace_days):
        return "review"
    return ""


def is_review_due(terms: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether the review date has come."""
    review = review_on(terms)
    return review is not None and now.date() >= review
