"""Which signals of a scan are news for a rule: a pure decision over readings and what was told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from apps.strategies.kernel.scanning import Consensus

Key = tuple[str, str]
# Readable on a phone, and well below what a chat takes in one message.
MOST_LINES = 25


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a rule asks for; no strategies mean all."""

    strategies: frozenset[str] = frozenset()
    universe: str = ""
    min_score: float | None = None
    min_agree: int = 1


@dataclass(frozen=True, slots=True)
class Read:
    """What a scan read of a symbol by a strategy."""

    strategy: str
    symbol: str
    side: int
    bar_at: datetime | None
    signal_at: datetime | None = None
    price: float | None = None
    score: float | None = None
    components: Mapping[str, float] = field(default_factory=dict)
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """The side last told of a strategy and symbol (0: none), and the last bar looked at."""

    side: int
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """The news, in order, and the marks that change."""

    news: list[Read]
    marks: dict[Key, Mark]


def decide(
    wanted: Wanted, rows: Iterable[Read], agreed: Mapping[str, Consensus], told: Mapping[Key, Mark]
) -> Decision:
    """Return what is news for a rule, and what to remember.

    A signal is news once: again only after the strategy let go of the symbol or turned to the
    other side, which is seen from its side, or from a turn after the last bar looked at. A score
    that falls below the rule's and comes back is no change. What could not be computed leaves all
    as it was, and so does a bar older than the one seen last.
    """
    news, marks = [], {}
    for row in rows:
        key = (row.strategy, row.symbol)
        if row.refusal or row.bar_at is None or not _asked(wanted, row):
            continue
        before = told.get(key)
        if before is not None and row.bar_at < before.seen_at:
            continue
        held = _held(row, before)
        if row.side and not held and _meets(wanted, row, agreed):
            news.append(row)
            held = row.side
        if held or before is not None:
            marks[key] = Mark(held, row.bar_at)
    order = sorted(news, key=lambda one: (-(one.score or 0.0), one.symbol, one.strategy))
    return Decision(order, marks)


def _held(row: Read, before: Mark | None) -> int:
    """Return the side that was told and still holds."""
    if before is None or row.side != before.side:
        return 0
    turned = row.signal_at is not None and row.signal_at > before.seen_at
    return 0 if turned else before.side


def _asked(wanted: Wanted, row: Read) -> bool:
    return not wanted.strategies or row.strategy in wanted.strategies


def _meets(wanted: Wanted, row: Read, agreed: Mapping[str, Consensus]) -> bool:
    if wanted.min_score is not None and (row.score is None or row.score < wanted.min_score):
        return False
    one = agreed.get(row.symbol)
    alike = 0 if one is None else one.long if row.side > 0 else one.short
    return alike >= wanted.min_agree


def title_of(universe: str, news: Sequence[Read]) -> str:
    """Return a title that says all when there is one signal."""
    if len(news) == 1:
        only = news[0]
        return f"{only.symbol} {_side(only)}: {only.strategy.replace('_', ' ')}"
    return f"{len(news)} signals in {universe}"


def body_of(news: Sequence[Read], agreed: Mapping[str, Consensus]) -> str:
    """Return a line for each signal, its score with the parts and how many strategies agree."""
    lines = [_line(one, agreed.get(one.symbol)) for one in news[:MOST_LINES]]
    left = len(news) - len(lines)
    return "\n".join([*lines, *([f"and {left} more, see the scanner"] if left > 0 else [])])


def _line(one: Read, agreed: Consensus | None) -> str:
    parts = [f"{one.symbol} {_side(one)} by {one.strategy.replace('_', ' ')}"]
    if one.score is not None:
        told = ", ".join(f"{name} {value:.0f}" for name, value in one.components.items())
        parts.append(f"score {one.score:.0f}" + (f" ({told})" if told else ""))
    if agreed is not None:
        parts.append(f"{agreed.long} long, {agreed.short} short of {agreed.asked}")
    if one.price is not None:
        parts.append(f"close {one.price:,.6g}")
    if one.bar_at is not None:
        parts.append(f"bar closed {one.bar_at:%Y-%m-%d %H:%M} UTC")
    return "; ".join(parts)


def _side(one: Read) -> str:
    return "long" if one.side > 0 else "short"
