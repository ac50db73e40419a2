"""What would be if orders were filled, weights were reached or a proposal were approved.

Nothing is stored or sent. The account's plug turns what is wanted into trades at last prices and
asks the guard; before and after are measured like the live book.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from apps.approvals import selectors as approvals
from apps.core.errors import Conflict, Invalid, LabError
from apps.risk.kernel.live import after_trades, what_if
from apps.risk.kernel.scenarios import apply, shocks_from
from apps.risk.kernel.stress import Book
from apps.risk.models import Scenario
from apps.risk.selectors.books import Holding, get_holding
from apps.risk.selectors.live import (
    LiveBook,
    LiveBooks,
    find_books,
    history_for,
    model_of,
    models_in_force,
    prices_of,
)
from apps.risk.selectors.stress import betas_of, ground_of, list_scenarios

MOST_ORDERS = 200
NEWEST_SCENARIOS = 5
OPEN = "open"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked about, in one of three ways; ``strategy`` whose limits hold as well.

    ``orders`` are symbol, side and quantity; ``weights`` shares of equity to be held of the
    symbols named; ``added`` money to be put into symbols, below zero to sell.
    """

    orders: Sequence[Mapping[str, Any]] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    added: Mapping[str, float] = field(default_factory=dict)
    strategy: str = ""


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade as it would be made at the last price, and every reason of the guard against it."""

    symbol: str
    side: str
    quantity: float
    price: float
    cost: float
    reasons: Sequence[Mapping[str, str]] = ()

    @property
    def signed(self) -> float:
        """The quantity, below zero for a sale."""
        return self.quantity if self.side == "buy" else -self.quantity


@dataclass(frozen=True, slots=True)
class Asked:
    """What the account's plug makes of what is wanted; ``left_out`` is told by name."""

    trades: Sequence[Trade]
    left_out: Sequence[Mapping[str, str]] = ()
    sectors: Mapping[str, str] = field(default_factory=dict)
    # Symbol to the name under which market knows it.
    instruments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proposed:
    """What a proposal would do: on which book, what, and what must be said of that.

    ``run`` holds what a promoted version held at its end, bought with ``capital``.
    """

    subject: str
    wanted: Wanted
    note: str = ""
    run: str = ""
    capital: float = 0.0


class Asks(LiveBooks, Protocol):
    """A plug of ``RISK_LIVE`` that answers what would be."""

    def ask(self, subject: str, team_id: int, wanted: Wanted, now: datetime) -> Asked:
        """Return the trades with the guard's verdicts. Raises ``Invalid``, ``Conflict``."""

    def proposed(self, kind: str, terms: Mapping[str, Any], team_id: int) -> Proposed | None:
        """Return what a proposal of a kind would do; None for one that trades nothing."""


def get_what_if(
    *,
    team_id: int,
    now: datetime,
    subject: str = "",
    orders: Sequence[Mapping[str, Any]] = (),
    weights: Mapping[str, float] | None = None,
    proposal_id: UUID | None = None,
) -> dict[str, Any]:
    """Return the book before and after, what the guard says of each trade, and the stress.

    Raises
    ------
    Invalid
        ``risk.what_if`` unless one of orders, weights and proposal is given,
        ``risk.what_if.kind`` for a proposal that trades nothing, ``risk.no_price`` and those of
        an order.
    NotFound
        Of the book or the proposal.
    Conflict
        ``risk.what_if.decided`` when nobody has to decide the proposal any more.
    """
    _check(subject, orders, weights, proposal_id)
    if proposal_id is not None:
        return _of_proposal(team_id, proposal_id, now)
    return _answer(team_id, subject, Wanted(orders, weights or {}), now)


def _check(
    subject: str,
    orders: Sequence[Mapping[str, Any]],
    weights: Mapping[str, float] | None,
    proposal_id: UUID | None,
) -> None:
    given = [bool(orders), bool(weights), proposal_id is not None]
    if sum(given) > 1 or bool(subject) == (proposal_id is not None):
        message = "Give a subject with orders or weights, or a proposal alone."
        raise Invalid(message, code="risk.what_if", details={"field": "orders"})
    count = len(orders) or len(weights or {})
    if count > MOST_ORDERS:
        message = f"{count} orders or weights; ask about {MOST_ORDERS} at most."
        raise Invalid(message, code="risk.what_if", details={"field": "orders"})


def _of_proposal(team_id: int, proposal_id: UUID, now: datetime) -> dict[str, Any]:
    found = approvals.get_proposal(proposal_id, team_id)
    if str(found.status) != OPEN or found.expires_at <= now:
        message = "Nobody decides on this proposal any more; look at the live book instead."
        raise Conflict(message, code="risk.what_if.decided")
    return what_if_proposed(
        team_id=team_id, kind=found.kind, terms=found.terms, title=found.title, now=now
    )


def what_if_proposed(
    *, team_id: int, kind: str, terms: Mapping[str, Any], title: str, now: datetime
) -> dict[str, Any]:
    """Return what would be if a proposal of a kind with such terms were approved.

    Raises ``Invalid`` (``risk.what_if.kind``) for a kind that trades nothing, and as asked.
    """
    plugs: list[Asks] = list({id(plug): plug for plug, _ in _all(team_id)}.values())
    found = [one for plug in plugs if (one := plug.proposed(kind, terms, team_id)) is not None]
    if not found:
        message = f"A proposal of kind {kind!r} trades nothing; there is no what-if of it."
        raise Invalid(message, code="risk.what_if.kind", details={"field": "proposal_id"})
    one = found[0]
    wanted, notes = one.wanted, [one.note] if one.note else []
    if one.run:
        held = get_holding(team_id=team_id, subject=f"backtest:{one.run}")
        added = {_plain(name): share * one.capital for name, share in held.weights.items()}
        wanted = Wanted(added=added, strategy=wanted.strategy)
        notes.append(f"Bought with {one.capital:,.0f}: what its run held at its last bar.")
    answer = _answer(team_id, one.subject, wanted, now)
    return {**answer, "of": title, "notes": [*notes, *answer["notes"]]}


def _plain(name: str) -> str:
    return name.rpartition(":")[2]


def _all(team_id: int) -> list[tuple[Any, LiveBook]]:
    return list(find_books(team_id=team_id))


def _answer(team_id: int, subject: str, wanted: Wanted, now: datetime) -> dict[str, Any]:
    pair: tuple[Any, LiveBook] = find_books(team_id=team_id, subject=subject)[0]
    plug, book = pair
    asked: Asked = plug.ask(subject, team_id, wanted, now)
    force = model_of(book, models_in_force(team_id=team_id))
    held, trades = book.quantities(), [(one.symbol, one.signed) for one in asked.trades]
    then = after_trades(held, trades)
    # A position keeps its last price; what is new comes at that of the trade.
    prices = {**{one.symbol: one.price for one in asked.trades}, **prices_of([book])}
    figures = what_if(
        held,
        prices,
        trades,
        history_for(plug, book.clock, list(held), book.as_of),
        history_for(plug, book.clock, list(then), book.as_of),
        model=force.model,
        equity=book.equity,
        cost=sum(one.cost for one in asked.trades),
    )
    return {
        "subject": book.subject,
        "title": book.title,
        "currency": book.currency,
        "timeframe": book.timeframe,
        "as_of": book.as_of,
        "of": "",
        "in_force": force.model,
        "colour": force.colour,
        "orders": [_order(one) for one in asked.trades],
        "left_out": [dict(row) for row in asked.left_out],
        "guard": _verdict(asked.trades, now),
        **figures,
        "stress": _stressed(team_id, book, asked, held, then, figures, prices),
        "notes": _notes(asked),
    }


def _order(one: Trade) -> dict[str, Any]:
    return {
        "symbol": one.symbol,
        "side": one.side,
        "quantity": one.quantity,
        "price": one.price,
        "value": one.quantity * one.price,
        "cost": one.cost,
        "reasons": [dict(reason) for reason in one.reasons],
    }


def _notes(asked: Asked) -> list[str]:
    if not asked.left_out:
        return []
    told = ", ".join(f"{row['symbol']} ({row['why']})" for row in asked.left_out)
    return [f"Left out: {told}."]


def _verdict(trades: Sequence[Trade], now: datetime) -> dict[str, Any]:
    """Return what the guard says of all trades; each reason names its order where there are more.

    A trade is judged with those before it that pass counted as under way.
    """
    several = len(trades) > 1
    reasons = [
        {
            "code": reason["code"],
            "message": f"{one.side} {one.symbol}: {reason['message']}"
            if several
            else reason["message"],
            "symbol": one.symbol,
        }
        for one in trades
        for reason in one.reasons
    ]
    return {"passes": not reasons, "reasons": reasons, "at": now.isoformat()}


def _stressed(
    team_id: int,
    book: LiveBook,
    asked: Asked,
    held: Mapping[str, float],
    then: Mapping[str, float],
    figures: Mapping[str, Any],
    prices: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Return what the newest scenarios would take before and after, as shares of equity."""
    rows = sorted(list_scenarios(team_id=team_id), key=lambda row: row.created_at, reverse=True)
    rows = rows[:NEWEST_SCENARIOS]
    before = _weights(held, prices, figures["before"]["equity"])
    after = _weights(then, prices, figures["after"]["equity"])
    if not rows or (not before and not after):
        return []
    names = dict.fromkeys([*before, *after])
    betas = _betas(team_id, book, [asked.instruments.get(name, name) for name in names], rows)
    told = {"sectors": asked.sectors, "betas": betas}
    return [_moved(row, before, after, told) for row in rows]


def _weights(
    quantities: Mapping[str, float], prices: Mapping[str, float], equity: float
) -> dict[str, float]:
    if equity <= 0.0:
        return {}
    return {name: one * prices[name] / equity for name, one in quantities.items()}


def _betas(
    team_id: int, book: LiveBook, instruments: Sequence[str], rows: Sequence[Scenario]
) -> Mapping[str, Mapping[str, float]]:
    if not any(row.shocks.get("factor") for row in rows):
        return {}
    weights = dict.fromkeys(instruments, 1.0)
    holding = Holding(book.subject, book.title, weights, book.equity, book.currency, book.as_of)
    try:
        return betas_of(team_id, ground_of(team_id=team_id, holding=holding))
    except LabError:
        return {}


def _moved(
    row: Scenario,
    before: Mapping[str, float],
    after: Mapping[str, float],
    told: Mapping[str, Any],
) -> dict[str, Any]:
    shocks = shocks_from(row.shocks)
    nothing: dict[str, Any] = {"loss": 0.0, "notes": []}
    was = apply(Book(before), shocks, **told) if before else nothing
    will = apply(Book(after), shocks, **told) if after else nothing
    return {
        "name": row.name,
        "title": row.title,
        "version": row.version,
        "before": was["loss"],
        "after": will["loss"],
        "notes": list(dict.fromkeys([*was["notes"], *will["notes"]])),
    }
