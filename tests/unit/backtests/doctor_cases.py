"""Small runs for the doctor, made by hand: columns by bar and rows of tables."""

import numpy as np

from apps.backtests.kernel.doctor.case import Case, Swept
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.interface import Parameter

DAY = 86_400_000_000
CASH = 100_000.0
# A Monday.
FIRST = int(np.datetime64("2016-01-04", "us").astype(np.int64))


def days(n, first="2016-01-04"):
    """Times of ``n`` daily bars."""
    start = int(np.datetime64(first, "us").astype(np.int64))
    return start + DAY * np.arange(n, dtype=np.int64)


def curve(returns, start=CASH):
    """Equity of a run whose first bar earns nothing."""
    return start * np.cumprod(np.concatenate(([1.0], 1.0 + np.asarray(returns, float))))


def trades(*rows, ts=None):
    """Rows of (symbol, entry bar, exit bar, pnl) and what differs from 10 bought at 100."""
    at = days(5000) if ts is None else ts
    more = [{**dict(zip("sabp", row, strict=False)), **dict(row[4:])} for row in rows]
    return {
        "symbol": np.array([r["s"] for r in more], dtype=object),
        "entry_ts": at[[r["a"] for r in more]] if rows else np.empty(0, np.int64),
        "exit_ts": at[[r["b"] for r in more]] if rows else np.empty(0, np.int64),
        "bars_held": np.array([r["b"] - r["a"] for r in more], dtype=np.int64),
        "size": np.array([r.get("size", 10.0) for r in more], dtype=float),
        "entry_price": np.array([r.get("price", 100.0) for r in more], dtype=float),
        "pnl": np.array([r["p"] for r in more], dtype=float),
        "is_open": np.array([r.get("open", False) for r in more], dtype=bool),
    }


def plain_trades(pnl, symbol="A", **more):
    """Trades one after the other, two bars each."""
    extra = tuple(more.items())
    return trades(*((symbol, 2 * i, 2 * i + 1, float(p), *extra) for i, p in enumerate(pnl)))


def fills(*rows, ts=None):
    """Rows of (bar, symbol, quantity, price, moment, order)."""
    at = days(5000) if ts is None else ts
    full = [(*row, *("open", 0)[len(row) - 4 :]) for row in rows]
    bar, symbol, quantity, price, moment, order = zip(*full, strict=True) if full else [()] * 6
    quantity, price = np.array(quantity, float), np.array(price, float)
    return {
        "bar": np.array(bar, np.int64),
        "ts": at[list(bar)],
        "symbol": np.array(symbol, dtype=object),
        "quantity": quantity,
        "price": price,
        "fee": np.zeros(len(quantity)),
        "value": np.abs(quantity * price),
        "moment": np.array(moment, dtype=object),
        "order": np.array(order, np.int64),
    }


def orders(*rows):
    """Rows of (kind, state) and what differs from 10 asked for and none filled."""
    more = [{"kind": row[0], "state": row[1], **dict(row[2:])} for row in rows]
    return {
        "symbol": np.array([r.get("symbol", "A") for r in more], dtype=object),
        "kind": np.array([r["kind"] for r in more], dtype=object),
        "state": np.array([r["state"] for r in more], dtype=object),
        "reason": np.array([r.get("reason", "") for r in more], dtype=object),
        "size": np.array([r.get("size", 10.0) for r in more], dtype=float),
        "filled": np.array([r.get("filled", 0.0) for r in more], dtype=float),
        "ended_ts": days(5000)[[r.get("ended", 0) for r in more]],
    }


def positions(*rows):
    """Rows of (bar, symbol, quantity)."""
    bar, symbol, quantity = zip(*rows, strict=True)
    return {
        "ts": days(5000)[list(bar)],
        "symbol": np.array(symbol, dtype=object),
        "quantity": np.array(quantity, dtype=float),
    }


def panel(close, *, open_=None, high=None, low=None, volume=1e6, symbols=None, **more):
    """Bars from closes by bar, a number or a row each."""
    last = np.asarray(close, float)
    last = last[:, None] if last.ndim == 1 else last
    first = last if open_ is None else np.asarray(open_, float).reshape(last.shape)
    top = np.fmax(first, last) + 1.0 if high is None else np.asarray(high, float)
    bottom = np.fmin(first, last) - 1.0 if low is None else np.asarray(low, float)
    traded = np.broadcast_to(np.asarray(volume, float).reshape(-1, 1), last.shape)
    names = symbols or tuple("ABCDEFGH"[: last.shape[1]])
    shape = last.shape
    return Panel(
        names, days(len(last)), first, top.reshape(shape), bottom.reshape(shape), last,
        np.array(traded), "1d", **more,
    )  # fmt: skip


def swept(axis, sharpe, name="fast"):
    """A sweep over one parameter."""
    params = tuple({name: value} for value in axis)
    return (Swept("0" * 8, "A sweep", params, np.array(sharpe, float)),)


def number(name, default=5, low=1, high=100):
    """A whole parameter."""
    return Parameter(name, "int", default, low, high)


def case(n=3, *, returns=None, **more):
    """A run that does nothing in particular, but for what is given."""
    equity = (
        more["equity"]
        if "equity" in more
        else curve(returns if returns is not None else np.zeros(n - 1))
    )
    n = len(equity)
    none = fills()
    request = {"cash": CASH, "fill": "next_open", "costs": {"fee_bps": 5, "slippage_bps": 5}}
    base = {
        "params": {},
        "ts": days(n),
        "equity": equity,
        "cash": np.zeros(n),
        "exposure": np.ones(n),
        "net_exposure": np.ones(n),
        "benchmark": np.full(n, np.nan),
        "trades": trades(),
        "fills": none,
        "orders": orders(),
        "positions": {},
        **more,
    }
    base["request"] = {**request, **more.get("request", {})}
    base["result"] = {"periods_per_year": 252.0, "timeframe": "1d", **more.get("result", {})}
    return Case(**base)
