"""What runs came to: curves, tables, prices."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests import store
from apps.backtests.kernel import fills as fill_rules
from apps.backtests.kernel.curves import Curves, monthly
from apps.backtests.kernel.files import measure_file as measure_file
from apps.backtests.kernel.requests import read_request
from apps.backtests.kernel.tables import from_parquet
from apps.backtests.models import Artifact, Run
from apps.core.errors import NotFound
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
    """Return the columns of ``fills`` or ``trades``."""
    return from_parquet(artifact_of(run, name))


@lru_cache(maxsize=64)
def _content(artifact_id: int, digest: str) -> bytes:  # noqa: ARG001 the digest is the key
    return bytes(Artifact.objects.only("content").get(pk=artifact_id).content)


def artifact_of(run: Run, name: str) -> bytes:
    """Return the bytes of an artifact. Raises ``NotFound``."""
    row = Artifact.objects.filter(run=run, name=name).values_list("pk", "digest").first()
    if row is None:
        raise NotFound(f"The run has no {name}.", code="artifact.not_found")
    return _content(*row)


def positions_of(run: Run) -> dict[str, Any]:
    """Return what was held at each fill: symbols, times, quantities after each bar's fills."""
    fills = table_of(run, "fills")
    symbols = sorted(set(fills["symbol"].tolist()))
    column = {symbol: i for i, symbol in enumerate(symbols)}
    times, at = np.unique(fills["ts"], return_inverse=True)
    changes = np.zeros((len(times), len(symbols)))
    places = np.array([column[symbol] for symbol in fills["symbol"]], dtype=np.int64)
    np.add.at(changes, (at, places), fills["quantity"])
    held = np.cumsum(changes, axis=0)
    held[np.abs(held) < 1e-9 * np.maximum(np.abs(changes).max(axis=0, initial=0.0), 1e-300)] = 0.0
    return {"symbols": symbols, "ts": [iso(t) for t in times], "quantity": held.tolist()}


def price_panel(run: Run, symbol: str) -> Panel:
    """Return the bars of one instrument over the run's dates. Raises ``NotFound``."""
    asked = read_request(run.request)
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


def rows_of(run: Run, name: str, last: int = 0) -> list[dict[str, Any]]:
    """Return the rows of ``fills`` or ``trades`` as JSON, numbered by ``n``; the ``last`` few."""
    table = table_of(run, name)
    size = len(next(iter(table.values()))) if table else 0
    first = max(size - last, 0) if last else 0
    columns = {label: values[first:].tolist() for label, values in table.items()}
    for label in ("ts", "entry_ts", "exit_ts"):
        if label in columns:
            columns[label] = [iso(ts) for ts in columns[label]]
    if "quantity" in columns:
        columns["side"] = ["buy" if size > 0 else "sell" for size in columns["quantity"]]
    rows = zip(*columns.values(), strict=True)
    return [
        {"n": n, **dict(zip(columns, row, strict=True))} for n, row in enumerate(rows, start=first)
    ]


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
