"""What runs came to: curves, tables, prices."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests import store
from apps.backtests.kernel import fills as fill_rules
from apps.backtests.kernel.curves import Curves, monthly
from apps.backtests.kernel.files import measure_file as measure_file
from apps.backtests.kernel.records import given_rows
from apps.backtests.kernel.requests import Request, read_request
from apps.backtests.kernel.sessions import ORDER_STATES
from apps.backtests.kernel.tables import cells_from_parquet, from_parquet
from apps.backtests.models import Artifact, Run
from apps.core.errors import Invalid, NotFound
from apps.market import selectors as market
from apps.market.kernel.bars import Panel

Floats = NDArray[np.float64]


def curves_of(run: Run) -> tuple[NDArray[np.int64], dict[str, Floats]]:
    """Return times and curves of a run."""
    return store.read_curves(run.pk)


def get_curves(run: Run) -> Curves:
    """Return the curves of a run with the words that figures carry."""
    ts, found = curves_of(run)
    return Curves(
        title=run.title,
        subtitle=subtitle_of(run),
        ts=ts,
        equity=found["equity"],
        benchmark=found["benchmark"],
        benchmark_label=str(run.result.get("benchmark", {}).get("label", "")),
        start_cash=float(run.request["cash"]),
        periods=float(run.result["periods_per_year"]),
        timeframe=str(run.result["timeframe"]),
        exposure=found["exposure"],
        net_exposure=found["net_exposure"],
    )


def subtitle_of(run: Run) -> str:
    """Return what every figure says below its title: dates, fill rule, sample."""
    first, last = str(run.result["first"])[:10], str(run.result["last"])[:10]
    return f"{first} to {last} · {fill_rules.get_fill_rule(run.fill).says} · in sample"


def table_of(run: Run, name: str) -> dict[str, NDArray[Any]]:
    """Return the columns of ``orders``, ``fills``, ``trades`` or ``positions``."""
    return from_parquet(artifact_of(run, name))


@lru_cache(maxsize=64)
def _content(artifact_id: int, digest: str) -> bytes:  # noqa: ARG001 the digest is the key
    return bytes(Artifact.objects.only("content").get(pk=artifact_id).content)


def artifact_of(run: Run, name: str) -> bytes:
    """Return the bytes of an artifact. Raises ``NotFound``."""
    row = Artifact.objects.filter(run=run, name=name).values_list("pk", "digest").first()
    if row is None:
        message = f"The run has no {name}: it was computed before they were kept. Run it again."
        raise NotFound(message, code="artifact.not_found")
    return _content(*row)


def request_of(run: Run) -> Request:
    """Return what a run was asked to do, with the rows that came with it."""
    body = {name: value for name, value in run.request.items() if name != "given"}
    for name in run.request.get("given", {}):
        body[name] = given_rows(cells_from_parquet(artifact_of(run, f"given_{name}")))
    return read_request(body)


def positions_of(run: Run) -> dict[str, Any]:
    """Return what was held at each change: symbols, times, quantities after each bar."""
    if not has_table(run, "positions"):
        return _positions_of_fills(run)
    table = table_of(run, "positions")
    symbols, times, at, places = _grid_of(table)
    held = np.full((len(times), len(symbols)), np.nan)
    held[at, places] = table["quantity"]
    known = np.where(np.isfinite(held), np.arange(len(times))[:, None], -1)
    last = np.maximum.accumulate(known, axis=0) if len(times) else known
    filled = np.take_along_axis(held, np.maximum(last, 0), axis=0)
    held = np.where(last >= 0, filled, 0.0)
    return {"symbols": symbols, "ts": [iso(t) for t in times], "quantity": held.tolist()}


def _grid_of(table: dict[str, NDArray[Any]]) -> tuple[list[str], NDArray[Any], Any, Any]:
    """Return the symbols and times of a table, and where each of its rows stands among them."""
    symbols = sorted(set(table["symbol"].tolist()))
    column = {symbol: i for i, symbol in enumerate(symbols)}
    times, at = np.unique(table["ts"], return_inverse=True)
    places = np.array([column[symbol] for symbol in table["symbol"]], dtype=np.int64)
    return symbols, times, at, places


def _positions_of_fills(run: Run) -> dict[str, Any]:
    """Return the same of a run computed before positions were kept."""
    fills = table_of(run, "fills")
    symbols, times, at, places = _grid_of(fills)
    changes = np.zeros((len(times), len(symbols)))
    np.add.at(changes, (at, places), fills["quantity"])
    held = np.cumsum(changes, axis=0)
    held[np.abs(held) < 1e-9 * np.maximum(np.abs(changes).max(axis=0, initial=0.0), 1e-300)] = 0.0
    return {"symbols": symbols, "ts": [iso(t) for t in times], "quantity": held.tolist()}


def price_panel(run: Run, symbol: str) -> Panel:
    """Return the bars of one instrument over the run's dates. Raises ``NotFound``."""
    asked = request_of(run)
    known = run.result.get("instruments", [])
    if symbol not in known:
        message = f"The run has no instrument {symbol!r}; it has {', '.join(known[:10])}."
        raise NotFound(message, code="symbol.unknown", details={"field": "symbol"})
    given = [name for name in asked.instruments if name.rpartition(":")[2] == symbol]
    universe = (
        market.get_universe(team_id=run.team_id, name=run.universe) if run.universe else None
    )
    return market.read_panel(
        team_id=run.team_id,
        timeframe=asked.timeframe or run.result["timeframe"],
        start=asked.start,
        end=asked.end,
        instruments=given or [symbol],
        price_mode=asked.price_mode,
        dataset=universe.dataset if universe else "",
        as_of=asked.as_of,
    )


def has_table(run: Run, name: str) -> bool:
    """Tell whether a table of a run was kept."""
    return Artifact.objects.filter(run=run, name=name).exists()


def rows_of(run: Run, name: str, last: int = 0) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON, numbered by ``n``; the ``last`` few."""
    listed = list_rows(run, name)
    return [listed.row(item) for item in listed.index[-last:]]


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows of a table that fit, made only when their page is shown."""

    table: dict[str, NDArray[Any]]
    index: list[dict[str, int]]

    def row(self, item: dict[str, int]) -> dict[str, Any]:
        """Return one row as JSON."""
        n = item["n"]
        found = {name: _json(name, values[n]) for name, values in self.table.items()}
        size = found.get("quantity", found.get("size"))
        if "side" not in found and size is not None and "entry_price" not in found:
            found["side"] = "buy" if size > 0 else "sell"
        return {"n": n, **found}


ROWS_ABOVE = 3
TABLES = ("orders", "fills", "trades", "positions")


def list_rows(run: Run, name: str, *, state: str = "", symbol: str = "") -> Listed:
    """Return the rows of a table, of one symbol and (orders) in one state if asked for.

    Raises
    ------
    Invalid
        For a state that no order has.
    """
    table = table_of(run, name)
    count = len(next(iter(table.values()))) if table else 0
    fits = np.ones(count, np.bool_)
    if state and state not in ORDER_STATES:
        message = f"state = {state!r}; choose one of {', '.join(ORDER_STATES)}."
        raise Invalid(message, code="orders.state", details={"field": "state"})
    if state and "state" in table:
        fits &= table["state"] == state
    if symbol:
        fits &= table["symbol"] == symbol
    return Listed(table, [{"n": int(n)} for n in np.flatnonzero(fits)])


def page_rows(run: Run, name: str, *, state: str = "") -> Listed:
    """Return a table as the run's page lists it: orders by number, the rest the latest first.

    A run computed before the table was kept has no rows in it.
    """
    if not has_table(run, name):
        return Listed({}, [])
    found = list_rows(run, name, state=state)
    return found if name == "orders" else Listed(found.table, found.index[::-1])


def near_row(listed: Listed, row: str) -> Listed:
    """Return a table from a few rows above the one asked for by its number; else all of it."""
    places = [at for at, item in enumerate(listed.index) if str(item["n"]) == row]
    if not places:
        return listed
    return Listed(listed.table, listed.index[max(places[0] - ROWS_ABOVE, 0) :])


def _json(name: str, value: Any) -> Any:
    if name.endswith("ts"):
        return iso(value)
    found = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(found, float) and not np.isfinite(found) else found


def count_states(run: Run) -> dict[str, int]:
    """Return how many orders ended in each state, those there are."""
    if not has_table(run, "orders"):
        return {}
    found = table_of(run, "orders")["state"].tolist()
    return {state: found.count(state) for state in ORDER_STATES if state in found}


def exposure_table(run: Run) -> dict[str, NDArray[Any]]:
    """Return by bar what was held long and short, gross and net, in money and over equity.

    ``leverage`` is gross value over equity. Where equity was not positive the money is not known.
    """
    ts, curves = curves_of(run)
    equity = curves["equity"]
    gross, net = curves["exposure"] * equity, curves["net_exposure"] * equity
    return {
        "ts": ts.astype("datetime64[us]"),
        "equity": equity,
        "cash": curves["cash"],
        "long": (gross + net) / 2.0,
        "short": (gross - net) / 2.0,
        "gross": gross,
        "net": net,
        "leverage": curves["exposure"],
        "net_share": curves["net_exposure"],
    }


def list_exposure(run: Run) -> Listed:
    """Return the exposure by bar as rows."""
    table = exposure_table(run)
    table["ts"] = table["ts"].astype(np.int64)
    return Listed(table, [{"n": n} for n in range(len(table["ts"]))])


def equity_json(run: Run) -> dict[str, Any]:
    """Return the curves of a run as JSON columns; null where nothing is known."""
    ts, curves = curves_of(run)
    columns = {
        name: [value if np.isfinite(value) else None for value in values.tolist()]
        for name, values in curves.items()
    }
    return {"ts": [iso(t) for t in ts], **columns}


def open_positions(run: Run) -> list[dict[str, Any]]:
    """Return what was held at the end, valued at the last close."""
    held: dict[str, dict[str, Any]] = {}
    for trade in rows_of(run, "trades"):
        if trade["is_open"]:
            line = held.setdefault(
                trade["symbol"],
                {"symbol": trade["symbol"], "quantity": 0.0, "price": trade["exit_price"]},
            )
            line["quantity"] += trade["size"]
    for line in held.values():
        line["value"] = line["quantity"] * line["price"]
        line["weight"] = line["value"] / run.equity_final if run.equity_final else None
    return sorted(held.values(), key=lambda line: -abs(line["value"]))


def monthly_rows(run: Run) -> list[dict[str, Any]]:
    """Return returns by month as JSON, the newest year first."""
    curves = get_curves(run)
    return [asdict(year) for year in monthly(curves.ts, curves.equity, curves.start_cash)]


def iso(ts: int) -> str:
    """Return microseconds since 1970 as ISO text in UTC."""
    return datetime.fromtimestamp(int(ts) / 1e6, UTC).isoformat().replace("+00:00", "Z")


def symbols_traded(run: Run) -> list[str]:
    """Return the instruments with fills, those traded most first."""
    names, counts = np.unique(table_of(run, "fills")["symbol"], return_counts=True)
    order = np.lexsort((names, -counts))
    return [str(name) for name in names[order]]
