"""A team's accounts together as one book, netted by instrument."""

from __future__ import annotations

from datetime import timedelta

from apps.core.errors import Conflict, NotFound
from apps.core.plugs import list_plugs, load_plug
from apps.risk.selectors.books import PLUGS, Books, History, Holding

TEAM = "team"
ACCOUNT = "account"
TITLE = "All accounts"
# Further apart, two accounts do not live in the same days.
APART = timedelta(days=3)


class TeamBooks:
    """Plug ``team`` of ``RISK_BOOKS``: what the accounts beside the largest one hold together."""

    def subjects(self, team_id: int) -> list[tuple[str, str]]:
        """Return nothing: its accounts are graded, each by its own returns."""
        del team_id
        return []

    def history(self, subject: str, team_id: int) -> History:
        """Refuse: equity that is moved between accounts is no return. Raises ``Conflict``."""
        message = "The models are graded on the accounts, not on all of them together."
        raise Conflict(message, code="risk.team_history", details={"team": team_id, "of": subject})

    def holding(self, subject: str, team_id: int) -> Holding:
        """Return the net weights of all accounts. Raises ``NotFound`` for another team."""
        if subject != f"{TEAM}:{team_id}":
            raise NotFound(f"There is no book {subject!r}.", code="risk.book")
        books: Books = load_plug(PLUGS, ACCOUNT)
        held = [books.holding(name, team_id) for name, _ in books.subjects(team_id)]
        anchor = max(held, key=_gross, default=None)
        if anchor is None or not _gross(anchor):
            return Holding(subject, TITLE, {}, sum(one.equity for one in held))
        mine = [one for one in held if _is_beside(one, anchor)]
        equity = sum(one.equity for one in mine)
        weights: dict[str, float] = {}
        for one in mine:
            for symbol, share in one.weights.items():
                weights[symbol] = weights.get(symbol, 0.0) + share * one.equity / equity
        as_of = min(one.as_of for one in mine if one.as_of is not None)
        left = [one.title for one in held if one not in mine]
        note = f"Left out, in another currency or time: {', '.join(left)}." if left else ""
        return Holding(subject, TITLE, weights, equity, anchor.currency, as_of, note)


def _gross(one: Holding) -> float:
    """Return the value of all positions; nothing of a book that no prices were seen of."""
    if one.equity <= 0.0 or one.as_of is None:
        return 0.0
    return one.equity * sum(map(abs, one.weights.values()))


def _is_beside(one: Holding, anchor: Holding) -> bool:
    """Tell whether two books stand in one currency and at one time: replays have their own."""
    if one.as_of is None or anchor.as_of is None or one.equity <= 0.0:
        return False
    return one.currency == anchor.currency and abs(one.as_of - anchor.as_of) <= APART


def team_subject(team_id: int) -> str:
    """Return the subject of all accounts together."""
    return f"{TEAM}:{team_id}"


def has_team_book() -> bool:
    """Tell whether accounts can be looked at together."""
    return TEAM in list_plugs(PLUGS)
