"""Which column of a file is what, and which kind of data the file therefore holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from apps.core.errors import Invalid

BARS, ACTIONS, METRICS, MEMBERS, RENAMES = "bars", "actions", "metrics", "members", "renames"
KINDS = (BARS, ACTIONS, METRICS, MEMBERS, RENAMES)
PRICES = ("open", "high", "low", "close")
FIGURE, OMIT = "figure", "omit"
WORDS = {
    "ts": (
        "ts time timestamp date datetime date_time open_time opentime bar_time begin "
        "period day month candle_begin_time funding_time fundingtime settlement_time "
        "trade_date unix change_date effective_date ex_date exdate on unnamed_0 index"
    ),
    "symbol": "symbol ticker instrument sym tic asset pair contract security code market",
    "venue": "venue exchange exch",
    "open": "open o open_price px_open",
    "high": "high h high_price px_high",
    "low": "low l low_price px_low",
    "close": "close c close_price px_last close_last",
    "volume": "volume vol v base_volume volume_base px_volume tick_volume",
    "adj_close": "adj_close adjclose adjusted_close close_adj adjusted_closing_price",
    "adj_factor": "adj_factor adjustment_factor adjfactor",
    "dividend": "dividend dividends dividend_amount cash_dividend div_cash divcash",
    "split": "split splits stock_splits split_coefficient split_ratio splitfactor",
    "kind": "kind type action event metric field indicator series variable",
    "value": "value amount val",
    "name": "name company company_name security_name long_name description",
    "sector": "sector gics_sector industry",
    "joined": "joined_on joined join_date date_added added date_first_added start_date",
    "left": "left_on left leave_date date_removed removed end_date thru",
    "before": "before old old_symbol old_ticker from_symbol",
    "after": "after new new_symbol new_ticker to_symbol",
    "price_factor": "price_factor",
    "split_factor": "split_factor",
    "reference_price": "reference_price",
    "permtick": "permtick",
}
ALIASES: dict[str, list[str]] = {role: words.split() for role, words in WORDS.items()}
ROLES = (*ALIASES, FIGURE, OMIT)
DIVIDENDS = frozenset({"dividend", "dividends", "div", "cash", "cash dividend", "cd"})
SPLITS = frozenset({"split", "splits", "stock split", "forward split", "reverse split"})
ACTION_WORDS = DIVIDENDS | SPLITS
TIMES = frozenset({"ts", "joined", "left"})
NUMBERS = frozenset(
    {*PRICES, "volume", "adj_close", "adj_factor", "dividend", "split", "value", FIGURE}
    | {"price_factor", "split_factor", "reference_price"}
)
NO_NAME = re.compile(r"[-+\d.,e ]*|unnamed[:_ ]*\d*", re.IGNORECASE)
NEEDS = {
    BARS: ("ts", *PRICES),
    ACTIONS: ("ts", "dividend or split, or kind and value"),
    METRICS: ("ts", "at least one column of numbers"),
    MEMBERS: ("symbol", "name, sector, joined or left"),
    RENAMES: ("ts", "before", "after"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file. ``type`` is number, time, text, flag or empty."""

    name: str
    type: str
    examples: tuple[str, ...] = ()
    role: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the uploader says about the file; what is left out is found out.

    Parameters
    ----------
    columns
        Name of a column in the file to its role.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    symbol: str = ""
    metric: str = ""


def plain(header: str) -> str:
    """Return a header without numbering, case and punctuation: ``1. Open`` is ``open``."""
    lowered = re.sub(r"^\d+[.)]\s+", "", header.strip().lower())
    return re.sub(r"[^a-z0-9]+", "_", lowered).strip("_") or "index"


def propose(columns: Sequence[Column], wish: Wish) -> list[Column]:
    """Return the columns with their roles: those wished for, then those their names tell."""
    check_wish(columns, wish)
    taken = {role for role in wish.columns.values() if role not in {FIGURE, OMIT}}
    found: dict[str, str] = dict(wish.columns)
    for role, aliases in ALIASES.items():
        fitting = [c for c in columns if c.name not in found and _fits(c, role, aliases)]
        if fitting and role not in taken:
            best = min(fitting, key=lambda c: aliases.index(plain(c.name)))
            found[best.name] = role
    is_long = "symbol" in found.values()
    lean = {plain(column.name) for column in columns} == {"permtick", "date", "ticker", "exchange"}
    return [
        Column(
            c.name, c.type, c.examples, _lean(c, lean) or found.get(c.name) or _rest(c, is_long)
        )
        for c in columns
    ]


def _lean(column: Column, is_map: bool) -> str:
    names = {"permtick": "permtick", "date": "ts", "ticker": "after", "exchange": OMIT}
    return names[plain(column.name)] if is_map else ""


def _fits(column: Column, role: str, aliases: Sequence[str]) -> bool:
    if plain(column.name) not in aliases:
        return False
    if role in TIMES:
        return column.type in {"time", "empty"} or (column.type == "text" and role == "ts")
    return role not in {"kind", "name", "sector", "venue"} or column.type in {"text", "empty"}


def _rest(column: Column, is_long: bool) -> str:
    """Return what a column is that no alias knows.

    Where rows name their symbol, a header tells what is counted: one that is itself a number, or
    none at all, comes of a table put together wrongly.
    """
    told = not is_long or not NO_NAME.fullmatch(column.name.strip())
    return FIGURE if column.type == "number" and told else OMIT


def check_wish(columns: Sequence[Column], wish: Wish) -> None:
    """Raise ``Invalid`` for a wish that names an unknown column, role or kind."""
    names = {column.name for column in columns}
    for name, role in wish.columns.items():
        if name not in names:
            shown = ", ".join(sorted(names)[:20])
            message = f"There is no column {name!r} in the file; it has {shown}."
            raise Invalid(message, code="upload.columns", details={"field": "columns"})
        if role not in ROLES:
            message = f"{role!r} is no role of a column; choose one of {', '.join(ROLES)}."
            raise Invalid(message, code="upload.columns", details={"field": "columns"})
    chosen = [role for role in wish.columns.values() if role not in {FIGURE, OMIT}]
    for role in chosen:
        if chosen.count(role) > 1:
            message = f"Two columns were given the role {role}; leave one."
            raise Invalid(message, code="upload.columns", details={"field": "columns"})


def kind_of(columns: Sequence[Column], wish: Wish) -> str:
    """Return what the file holds. Raises ``Invalid`` naming what was found and what is needed."""
    roles = {column.role for column in columns}
    guessed = _guess(roles, has_symbol=bool({"symbol"} & roles or wish.symbol))
    if guessed == METRICS and _tells_actions(columns):
        guessed = ACTIONS
    kind = wish.kind or guessed
    lacking = _lacking(kind, roles)
    if kind not in KINDS or lacking:
        raise Invalid(_refusal(columns, kind, lacking), code="upload.columns", details={
            "missing": lacking,
            "columns": [{"name": c.name, "type": c.type} for c in columns[:50]],
        })  # fmt: skip
    return kind


def _tells_actions(columns: Sequence[Column]) -> bool:
    """Tell whether the first kinds of a long list are dividends or splits."""
    told = [x for c in columns if c.role == "kind" for x in c.examples]
    return any(word.strip().lower().replace("_", " ") in ACTION_WORDS for word in told)


def _guess(roles: set[str], *, has_symbol: bool) -> str:
    if "ts" in roles:
        return _guess_dated(roles, has_symbol=has_symbol)
    if "symbol" in roles and roles & {"joined", "left", "name", "sector"}:
        return METRICS if FIGURE in roles and not roles & {"joined", "left"} else MEMBERS
    return ""


def _guess_dated(roles: set[str], *, has_symbol: bool) -> str:
    if {"after", "permtick"} <= roles or {"before", "after"} <= roles:
        return RENAMES
    if {"price_factor", "split_factor"} <= roles:
        return ACTIONS
    if {*PRICES} <= roles:
        return BARS
    others = roles & (NUMBERS - {"dividend", "split", "value"})
    if has_symbol and roles & {"dividend", "split"} and not others:
        return ACTIONS
    if roles & NUMBERS:
        return METRICS
    return BARS if len({*PRICES} & roles) > 1 else ""


def _lacking(kind: str, roles: set[str]) -> list[str]:
    if kind == BARS:
        return [name for name in NEEDS[BARS] if name not in roles]
    if kind == METRICS:
        return [] if "ts" in roles and roles & NUMBERS else [*NEEDS[METRICS]]
    return []


def _refusal(columns: Sequence[Column], kind: str, lacking: Sequence[str]) -> str:
    found = ", ".join(f"{c.name} ({c.type})" for c in columns[:20])
    more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
    if kind in KINDS:
        what = f"The file lacks {', '.join(lacking)} for {kind}"
    else:
        what = "The file lacks what bars (ts, open, high, low, close), actions, metrics (ts and "
        what += "numbers), index members or renames need"
    return f"{what}; it has {found}{more}. Say which column is which, or upload another file."
