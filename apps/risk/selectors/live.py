"""Risk as it stands: books by account, and what strategies of the team hold together.

Accounts live right of risk; the plugs of ``RISK_LIVE`` hand in what they hold, at which prices,
and the closes to learn from. Figures are made anew from what is stored each time, so that a
message and the answer to whoever missed it are the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid, NotFound
from apps.core.kernel.hashing import digest_json
from apps.core.plugs import list_plugs, load_plug
from apps.risk.kernel.grades_forecasts import WINDOW
from apps.risk.kernel.live import History, live_figures, prepare
from apps.risk.kernel.netting import Part, net_quantities, netted
from apps.risk.kernel.samples import Floats
from apps.risk.models import GradeRun
from apps.risk.selectors.grades import FIRST

PLUGS = "RISK_LIVE"
# Bars read for a window of returns: some instruments miss some.
BARS = WINDOW + 50
KEPT_HISTORIES = 64

Closes = Mapping[str, tuple[NDArray[np.int64], Floats]]


@dataclass(frozen=True, slots=True)
class Line:
    """What a strategy holds of an instrument, at its last price."""

    symbol: str
    quantity: float
    price: float
    price_at: datetime
    key: str
    label: str


@dataclass(frozen=True, slots=True)
class LiveBook:
    """An account as it stands; ``clock`` names what gives its prices, ``as_of`` its last bar."""

    subject: str
    title: str
    account_id: int
    currency: str
    clock: str
    timeframe: str
    as_of: datetime | None
    equity: float
    lines: tuple[Line, ...]

    def quantities(self) -> dict[str, float]:
        """Return what is held by symbol, net of what its strategies hold against each other."""
        return net_quantities(self.parts())

    def parts(self) -> list[Part]:
        """Return what each of its strategies holds."""
        held: dict[str, dict[str, float]] = defaultdict(dict)
        labels: dict[str, str] = {}
        for line in self.lines:
            held[line.key][line.symbol] = held[line.key].get(line.symbol, 0.0) + line.quantity
            labels[line.key] = line.label
        return [Part(key, labels[key], self.subject, held[key]) for key in sorted(held)]


class LiveBooks(Protocol):
    """Accounts of one kind, as a plug hands them in."""

    def books(self, team_id: int, subject: str = "") -> list[LiveBook]:
        """Return the team's accounts, or the one named. Raises ``NotFound``."""

    def closes(self, clock: str, symbols: Sequence[str], until: datetime, bars: int) -> Closes:
        """Return times and closes by symbol up to a bar; symbols without any are left out."""

    def edition(self) -> int:
        """Return a number that changes when stored bars are corrected."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The model whose figures count for a book, its colour, and when it was last graded."""

    model: str
    colour: str
    graded_at: datetime | None


_LOCK = threading.Lock()
_HISTORIES: OrderedDict[tuple[Any, ...], History] = OrderedDict()


def models_in_force(*, team_id: int) -> dict[str, InForce]:
    """Return by book the model that the newest grading put in force."""
    rows = GradeRun.objects.filter(team_id=team_id).order_by("subject", "-id")
    named = rows.distinct("subject").values_list("subject", "in_force", "colour", "created_at")
    return {subject: InForce(model, colour, at) for subject, model, colour, at in named}


def find_books(*, team_id: int, subject: str = "") -> list[tuple[LiveBooks, LiveBook]]:
    """Return the team's accounts, each with its plug. Raises ``NotFound`` for an unknown one."""
    found = []
    for name in list_plugs(PLUGS):
        plug: LiveBooks = load_plug(PLUGS, name)
        found += [(plug, book) for book in plug.books(team_id, subject)]
    if subject and not found:
        message = f"There is no live book {subject!r}; see GET /api/v1/risk/live."
        raise NotFound(message, code="risk.book")
    return found


def history_for(
    plug: LiveBooks, clock: str, symbols: Sequence[str], until: datetime | None
) -> History:
    """Return the prepared returns of some symbols up to a bar; prepared once while nothing new."""
    names = tuple(sorted(set(symbols)))
    if not names or until is None:
        return prepare({})
    key = (clock, names, until, plug.edition())
    with _LOCK:
        if key in _HISTORIES:
            _HISTORIES.move_to_end(key)
            return _HISTORIES[key]
    made = _prepared(plug, clock, names, until)
    with _LOCK:
        _HISTORIES[key] = made
        while len(_HISTORIES) > KEPT_HISTORIES:
            _HISTORIES.popitem(last=False)
    return made


def _prepared(plug: LiveBooks, clock: str, names: Sequence[str], until: datetime) -> History:
    closes = plug.closes(clock, names, until, BARS)
    try:
        found = prepare(closes)
    except Invalid as error:
        return History((), np.empty((0, 0)), dict.fromkeys(names, error.message))
    lacking = {name: "no bars on its feed" for name in names if name not in closes}
    return History(found.names, found.returns, {**found.absent, **lacking}, found.notes)


def prices_of(books: Sequence[LiveBook]) -> dict[str, float]:
    """Return the newest last price by symbol."""
    newest: dict[str, Line] = {}
    for book in books:
        for line in book.lines:
            if line.symbol not in newest or newest[line.symbol].price_at < line.price_at:
                newest[line.symbol] = line
    return {symbol: line.price for symbol, line in newest.items()}


def live_state(*, team_id: int, subject: str = "") -> dict[str, Any]:
    """Return the risk of every account of the team, or of one, and of all of them together.

    ``digest`` is of what the figures were made from: equal digests, equal figures.
    """
    found = find_books(team_id=team_id, subject=subject)
    models = models_in_force(team_id=team_id)
    books = [_book_state(plug, book, models) for plug, book in found]
    groups = [] if subject else _groups(found, models)
    state = {"books": books, "groups": groups, "apart": _apart(groups)}
    return {**state, "digest": digest_json([row["digest"] for row in [*books, *groups]])}


def model_of(book: LiveBook, models: Mapping[str, InForce]) -> InForce:
    """Return what is in force for a book: the first model until it was graded."""
    return models.get(book.subject, InForce(FIRST, "ungraded", None))


def _book_state(plug: LiveBooks, book: LiveBook, models: Mapping[str, InForce]) -> dict[str, Any]:
    quantities, prices, force = book.quantities(), prices_of([book]), model_of(book, models)
    history = history_for(plug, book.clock, list(quantities), book.as_of)
    figures = live_figures(quantities, prices, history, model=force.model, equity=book.equity)
    return {
        **_head(book),
        "subject": book.subject,
        "title": book.title,
        "account_id": book.account_id,
        "in_force": force.model,
        "colour": force.colour,
        "graded_at": force.graded_at,
        "stale": _stale(book),
        **figures,
        "digest": _digest([book], force.model),
    }


def _head(book: LiveBook) -> dict[str, Any]:
    return {
        "currency": book.currency,
        "feed": book.clock,
        "timeframe": book.timeframe,
        "as_of": book.as_of,
    }


def _stale(book: LiveBook) -> list[dict[str, Any]]:
    """Return what is held at a price from before the newest of the book."""
    newest = max((line.price_at for line in book.lines), default=None)
    return [
        {"symbol": line.symbol, "price_at": line.price_at}
        for line in book.lines
        if newest is not None and line.price_at < newest
    ]


def _digest(books: Sequence[LiveBook], *models: str) -> str:
    return digest_json(
        [
            [
                book.subject,
                str(book.as_of),
                repr(book.equity),
                [[one.key, one.symbol, repr(one.quantity), repr(one.price)] for one in book.lines],
            ]
            for book in books
        ]
        + [list(models)]
    )


def _groups(
    found: Sequence[tuple[LiveBooks, LiveBook]], models: Mapping[str, InForce]
) -> list[dict[str, Any]]:
    """Return accounts of one currency and one clock together: only their prices compare."""
    grouped: dict[tuple[str, str], list[tuple[LiveBooks, LiveBook]]] = defaultdict(list)
    for plug, book in found:
        grouped[book.currency, book.clock].append((plug, book))
    return [_group_state(grouped[key], models) for key in sorted(grouped)]


def _group_state(
    found: Sequence[tuple[LiveBooks, LiveBook]], models: Mapping[str, InForce]
) -> dict[str, Any]:
    plug, books = found[0][0], [book for _, book in found]
    parts = [part for book in books for part in book.parts()]
    until = max((book.as_of for book in books if book.as_of is not None), default=None)
    symbols = {symbol for part in parts for symbol in part.quantities}
    history = history_for(plug, books[0].clock, sorted(symbols), until)
    named = [model_of(book, models).model for book in books if book.lines] or [FIRST]
    return {
        **_head(books[0]),
        "as_of": until,
        "accounts": [{"subject": book.subject, "title": book.title} for book in books],
        **netted(
            parts,
            prices_of(books),
            history,
            models=named,
            equity=sum(book.equity for book in books),
        ),
        "digest": _digest(books, *named),
    }


def _apart(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return in words what is not added up, and why."""
    said = []
    currencies = sorted({str(group["currency"]) for group in groups})
    if len(currencies) > 1:
        said.append(f"{', '.join(currencies)} are not added up: no exchange rate is assumed.")
    for currency in currencies:
        feeds = sorted({str(one["feed"]) for one in groups if one["currency"] == currency})
        if len(feeds) > 1:
            said.append(
                f"In {currency}, accounts on {', '.join(feeds)} are told apart: each feed has a "
                "clock and prices of its own."
            )
    return said
