"""Orders, weights and signals that come with a request: read, checked row by row, laid on bars."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.core.errors import Invalid
from apps.core.kernel.hashing import digest_json
from apps.market.kernel.periods import parse
from apps.strategies.kernel.orders import KINDS

Row = dict[str, Any]
MOST = {"orders": 20_000, "targets": 200_000, "signals": 200_000}
MOST_FAULTS = 20
TIMES = ("gtc", "day")
LEVELS = ("price", "limit", "trail", "stop_loss", "take_profit", "trailing_stop")
NUMBERS = ("size", "quantity", *LEVELS)
# The levels a kind of order needs; the others have no meaning for it.
OWN_LEVELS = {
    "limit": ("price",),
    "stop": ("price",),
    "stop_limit": ("price", "limit"),
    "trailing": ("trail",),
}
ORDER_FIELDS = (
    "ts",
    "symbol",
    "side",
    *NUMBERS,
    "kind",
    "time_in_force",
    "bars",
    "expires",
    "reduce_only",
)
CELLS = {"targets": "weight", "signals": "signal"}
SIDES = {"buy": 1.0, "sell": -1.0}
WORDS = {"true": True, "false": False, "yes": True, "no": False}
LARGEST_WEIGHT = 100.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row: its number from 1, the field, a stable code, words."""

    row: int
    field: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Given:
    """Checked rows that came with a request, in the order given; see ``read_given``.

    Parameters
    ----------
    orders
        Rows with ``ts``, ``symbol``, signed ``size`` and what else an order says.
    targets, signals
        Rows with ``ts``, ``symbol`` and ``weight`` or ``signal``.
    signal_weight
        The share of equity a signal of 1 stands for; an equal share of all without it.
    """

    orders: tuple[Row, ...] = ()
    targets: tuple[Row, ...] = ()
    signals: tuple[Row, ...] = ()
    signal_weight: float | None = None

    def __bool__(self) -> bool:
        return bool(self.orders or self.targets or self.signals)

    @property
    def tables(self) -> dict[str, tuple[Row, ...]]:
        """The kinds of rows there are, by name."""
        every = {"orders": self.orders, "targets": self.targets, "signals": self.signals}
        return {name: rows for name, rows in every.items() if rows}

    @property
    def symbols(self) -> list[str]:
        """The instruments named, sorted."""
        return sorted({row["symbol"] for rows in self.tables.values() for row in rows})

    def summary(self) -> dict[str, Any]:
        """Return how many rows of each kind there are, with the digest of their content."""
        return {
            name: {"rows": len(rows), "digest": digest_json(list(rows))}
            for name, rows in self.tables.items()
        }


def refuse(name: str, faults: Sequence[Fault]) -> None:
    """Raise ``Invalid`` that names every bad row, the first few in words."""
    if not faults:
        return
    told = " ".join(f"Row {fault.row}: {fault.message}" for fault in faults[:3])
    count = f"{len(faults)} rows are" if len(faults) > 1 else "1 row is"
    more = f" And {len(faults) - 3} more." if len(faults) > 3 else ""
    rows = [
        {"row": f.row, "field": f.field, "code": f.code, "message": f.message}
        for f in faults[:MOST_FAULTS]
    ]
    details: dict[str, object] = {"field": name, "rows": rows}
    raise Invalid(f"{name}: {count} wrong. {told}{more}", code=f"{name}.rows", details=details)


def read_given(values: Mapping[str, Any]) -> Given:
    """Return the rows of ``orders``, ``targets`` and ``signals`` in a request.

    Each is a list of objects, a CSV text with the same columns, or (weights and signals) a table
    of one column per symbol: as CSV, or as ``{time: {symbol: number}}``.

    Raises
    ------
    Invalid
        ``orders.rows`` and the like, with every bad row in ``details``.
    """
    orders = _rows(values.get("orders"), "orders")
    tables = {name: _rows(values.get(name), name) for name in CELLS}
    if tables["targets"] and tables["signals"]:
        message = "Give target weights or signals, not both: each says what to hold."
        raise Invalid(message, code="signals.beside_targets", details={"field": "signals"})
    weight = values.get("signal_weight")
    if weight is not None:
        fault = _not_number(weight) or ("" if 0.0 < weight <= LARGEST_WEIGHT else "out of range")
        if fault:
            message = f"signal_weight = {weight!r}; a share of equity such as 0.25 is expected."
            raise Invalid(message, code="signals.weight", details={"field": "signal_weight"})
    return Given(
        orders=_checked(orders, "orders", _order),
        targets=_checked(tables["targets"], "targets", _target),
        signals=_checked(tables["signals"], "signals", _signal),
        signal_weight=None if weight is None else float(weight),
    )


def _rows(value: Any, name: str) -> list[Row]:
    if value is None or value in ("", [], {}):
        return []
    if isinstance(value, str):
        found = _from_csv(value, name)
    elif isinstance(value, Mapping) and name in CELLS:
        found = _from_table(value, name)
    elif isinstance(value, list | tuple) and all(isinstance(row, Mapping) for row in value):
        found = [dict(row) for row in value]
    else:
        message = f"{name} is no list of objects and no CSV text; the first row names the columns."
        raise Invalid(message, code=f"{name}.unreadable", details={"field": name})
    if len(found) > MOST[name]:
        message = f"{name} has {len(found)} rows; at most {MOST[name]} go with one run."
        raise Invalid(message, code=f"{name}.too_many", details={"field": name})
    return found


def _from_table(table: Mapping[str, Any], name: str) -> list[Row]:
    found: list[Row] = []
    for ts, cells in table.items():
        if not isinstance(cells, Mapping):
            message = f"{name}.{ts} = {cells!r}; an object of numbers by symbol is expected."
            raise Invalid(message, code=f"{name}.unreadable", details={"field": name})
        found += [
            {"ts": ts, "symbol": symbol, CELLS[name]: number}
            for symbol, number in cells.items()
            if number is not None
        ]
    return found


def _from_csv(text: str, name: str) -> list[Row]:
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff").strip()))
    columns = [str(column).strip() for column in reader.fieldnames or ()]
    times = [column for column in columns if column.lower() in {"ts", "time", "date"}]
    if not times:
        message = f"{name} has no column ts; found {', '.join(columns[:8]) or 'nothing'}."
        raise Invalid(message, code=f"{name}.unreadable", details={"field": name})
    is_wide = name in CELLS and "symbol" not in columns
    found: list[Row] = []
    for line in reader:
        cells = {str(k).strip(): _cell(str(k).strip(), v) for k, v in line.items() if k and v}
        cells = {column: cell for column, cell in cells.items() if cell != ""}
        ts = cells.pop(times[0], "")
        if is_wide:
            found += [{"ts": ts, "symbol": s, CELLS[name]: _number(n)} for s, n in cells.items()]
        else:
            found.append({"ts": ts, **cells})
    return found


def _cell(column: str, text: str) -> Any:
    text = text.strip()
    if column in {*NUMBERS, "weight", "signal", "bars"}:
        return _number(text)
    return WORDS.get(text.lower(), text) if column == "reduce_only" else text


def _number(text: Any) -> Any:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _checked(rows: Iterable[Row], name: str, read: Any) -> tuple[Row, ...]:
    found, faults, seen = [], [], set()
    for number, row in enumerate(rows, start=1):
        wrong = _common(row) or read(row)
        cell = (row.get("ts"), row.get("symbol"))
        if not wrong and name in CELLS and cell in seen:
            wrong = ("ts", "row.twice", f"{cell[1]} has two values at {cell[0]}; keep one.")
        if wrong:
            faults.append(Fault(number, *wrong))
            continue
        seen.add(cell)
        found.append(_tidy(row, name))
    refuse(name, faults)
    return tuple(found)


Wrong = tuple[str, str, str] | None


def _common(row: Row) -> Wrong:
    symbol, ts = row.get("symbol"), row.get("ts")
    if not isinstance(symbol, str) or not symbol.strip():
        return "symbol", "row.symbol", f"symbol = {symbol!r}; an instrument is expected."
    try:
        if not isinstance(ts, str) or not ts.strip() or parse(ts.strip(), "ts") is None:
            return (
                "ts",
                "row.ts",
                f"ts = {ts!r}; the time of a bar such as 2020-01-31 is expected.",
            )
    except Invalid as error:
        return "ts", "row.ts", error.message
    return None


def _not_number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{value!r} is no number"
    return "" if math.isfinite(value) else f"{value!r} is not finite"


def _target(row: Row) -> Wrong:
    return _cell_of(row, "weight", LARGEST_WEIGHT)


def _signal(row: Row) -> Wrong:
    wrong = _cell_of(row, "signal", 1.0)
    if not wrong and row["signal"] not in (-1, 0, 1):
        return "signal", "row.signal", f"signal = {row['signal']!r}; -1, 0 or 1 is expected."
    return wrong


def _cell_of(row: Row, name: str, most: float) -> Wrong:
    unknown = sorted(set(row) - {"ts", "symbol", name})
    if unknown:
        return unknown[0], "row.unknown_field", f"{unknown[0]} is no column; {name} is."
    fault = _not_number(row.get(name))
    if fault:
        return name, "row.not_finite", f"{name}: {fault}; leave the row out to leave it as it is."
    if abs(row[name]) > most:
        return name, f"row.{name}", f"{name} = {row[name]!r}; at most {most:g} either way."
    return None


def _order(row: Row) -> Wrong:
    unknown = sorted(set(row) - set(ORDER_FIELDS))
    if unknown:
        known = ", ".join(ORDER_FIELDS)
        return unknown[0], "row.unknown_field", f"{unknown[0]} is no column; there are {known}."
    return _order_numbers(row) or _order_size(row) or _order_kind(row) or _order_life(row)


def _order_numbers(row: Row) -> Wrong:
    for name in NUMBERS:
        if row.get(name) is None:
            continue
        fault = _not_number(row[name])
        if fault:
            return name, "row.not_finite", f"{name}: {fault}."
        if name != "size" and not row[name] > 0.0:
            return name, "row.range", f"{name} = {row[name]!r}; a number above 0 is expected."
        if name in {"trail", "trailing_stop"} and row[name] >= 1.0:
            return name, "row.range", f"{name} = {row[name]!r}; a fraction below 1 is expected."
    return None


def _order_size(row: Row) -> Wrong:
    side, quantity, size = (row.get(name) for name in ("side", "quantity", "size"))
    if (size is None) == (side is None and quantity is None):
        return "size", "row.size", "give size (negative to sell), or side and quantity."
    if size is not None:
        return None if size else ("size", "row.size", "size = 0; some units are expected.")
    if side not in SIDES:
        return "side", "row.side", f"side = {side!r}; buy or sell is expected."
    return None if quantity is not None else ("quantity", "row.size", "quantity is missing.")


def _order_kind(row: Row) -> Wrong:
    kind = row.get("kind") or "market"
    if kind not in KINDS:
        return "kind", "row.kind", f"kind = {kind!r}; one of {', '.join(KINDS)} is expected."
    needed = OWN_LEVELS.get(kind, ())
    for name in ("price", "limit", "trail"):
        if name in needed and row.get(name) is None:
            return name, "row.level", f"a {kind} order needs {name}."
        if name not in needed and row.get(name) is not None:
            return name, "row.level", f"{name} has no meaning for a {kind} order; leave it out."
    if row.get("stop_loss") is not None and row.get("trailing_stop") is not None:
        return "trailing_stop", "bracket.two_stops", "stop_loss or trailing_stop, not both."
    reduce = row.get("reduce_only")
    if reduce is not None and not isinstance(reduce, bool):
        return "reduce_only", "row.flag", f"reduce_only = {reduce!r}; true or false is expected."
    return None


def _order_life(row: Row) -> Wrong:
    life = [name for name in ("time_in_force", "bars", "expires") if row.get(name) is not None]
    if len(life) > 1:
        return life[1], "row.life", f"{' and '.join(life)} both say how long; keep one."
    time, bars, expires = (row.get(name) for name in ("time_in_force", "bars", "expires"))
    if time is not None and time not in TIMES:
        return "time_in_force", "row.life", f"time_in_force = {time!r}; gtc or day is expected."
    if bars is not None and (isinstance(bars, bool) or not isinstance(bars, int) or bars < 1):
        return "bars", "row.life", f"bars = {bars!r}; a whole number from 1 is expected."
    if expires is not None and _common({"symbol": "-", "ts": expires}):
        return "expires", "row.life", f"expires = {expires!r}; a time is expected."
    return None


def _tidy(row: Row, name: str) -> Row:
    """Return a row in one way of writing: signed size, no defaults, numbers as floats."""
    found: Row = {}
    for key, value in row.items():
        if value is not None:
            found[key] = value.strip() if isinstance(value, str) else value
    if name == "signals":
        return {**found, "signal": int(found["signal"])}
    if name == "targets":
        return {**found, "weight": float(found["weight"])}
    side, quantity = found.pop("side", None), found.pop("quantity", None)
    if side:
        found["size"] = SIDES[side] * quantity
    for key in ("kind", "time_in_force", "reduce_only"):
        if found.get(key) in ("market", "gtc", False):
            found.pop(key)
    return {k: float(v) if k in NUMBERS else v for k, v in found.items()}
