"""What positions went through: outliers, gaps, order of events within a bar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.doctor import links
from apps.backtests.kernel.doctor.case import Case, column
from apps.backtests.kernel.doctor.findings import Diagnosis, Reading, diagnosis
from apps.backtests.kernel.doctor.words import count, money

Flags = NDArray[np.bool_]
GROUP = "Bars while holding"
NO_TRADES = "Nothing was traded."
A_FEW = 5
STOPS, TARGETS = ("stop_loss", "trailing_stop"), ("take_profit",)


def _bars_at(case: Case, which: Flags, size: NDArray[np.float64]) -> tuple[links.Link, ...]:
    """Point at the cells of a panel where most hangs on it."""
    if case.panel is None:
        return ()
    bar, asset = np.nonzero(which)
    order = np.argsort(-np.abs(size[bar, asset]), kind="stable")[:4]
    places = ((int(bar[at]), int(asset[at])) for at in order)
    return tuple(links.bar(case.panel.symbols[a], int(case.panel.ts[b])) for b, a in places)


@diagnosis(
    GROUP,
    "Outliers make the return",
    unit="fraction",
    note=0.25,
    warning=0.5,
    critical=1.0,
    measures="profit of what was held in bars that moved over 10 robust deviations / all profit",
    means="Few enormous moves carry it: true ones are luck, false ones are data errors.",
    do="Check each bar against a second source; then judge the rest alone.",
    source="1.4826 times the median absolute move as deviation (Hampel's identifier)",
)
def outlier_bars(case: Case) -> Reading | str:
    """Return what far moves made."""
    held = case.held
    if held is None:
        return case.why_not_held
    if case.profit <= 0.0:
        return "The run made no profit, so nothing in particular made it."
    far = held.far & (held.gains != 0.0)
    made = float(held.gains[far].sum())
    share = made / case.profit
    says = (
        f"{count(int(far.sum()), 'move')} of more than ten robust deviations made {money(made)} "
        f"of {money(case.profit)}."
    )
    return Reading(share, says, share, _bars_at(case, far, held.gains))


@diagnosis(
    GROUP,
    "Bars are missing while it holds",
    unit="fraction",
    note=0.001,
    warning=0.01,
    critical=0.05,
    measures="bars held without a price while most others have one / bars held",
    means="What happened there is not known: a halt, a delisting or a hole in the data.",
    do="Repair the gap in the data room. For what was delisted, add its last price.",
)
def missing_bars(case: Case) -> Reading | str:
    """Return how many bars were missing of what was held."""
    held = case.held
    if held is None or case.panel is None:
        return case.why_not_held
    cells = int((held.quantity != 0.0).sum())
    if cells == 0:
        return NO_TRADES
    share = float(held.missing.sum()) / cells
    names = sorted({case.panel.symbols[a] for a in np.flatnonzero(held.missing.any(axis=0))})
    says = f"{int(held.missing.sum()):,} of {cells:,} bars held had no price"
    says += f": {', '.join(names[:5])}." if names else "."
    where = _bars_at(case, held.missing, held.quantity)
    return Reading(share, says, share, (*where[:3], *(links.data(name) for name in names[:2])))


@diagnosis(
    GROUP,
    "Profit out of data gaps",
    unit="fraction",
    note=0.02,
    warning=0.1,
    critical=0.5,
    measures="profit booked in the first bar after missing ones / all profit",
    means="The jump over a gap is booked as if it could have been traded all the way.",
    do="Repair the gaps, and run again.",
)
def gap_profit(case: Case) -> Reading | str:
    """Return what the first bars after gaps made."""
    held = case.held
    if held is None:
        return case.why_not_held
    if case.profit <= 0.0:
        return "The run made no profit, so nothing in particular made it."
    made = float(held.gains[held.after_gap].sum())
    share = made / case.profit
    says = f"{money(made)} of {money(case.profit)} came in the first bar after a gap."
    return Reading(share, says, share, _bars_at(case, held.after_gap, held.gains))


@diagnosis(
    GROUP,
    "In and out within one bar",
    unit="fraction",
    note=0.01,
    warning=0.1,
    critical=0.5,
    measures="trades entered and left in the same bar / all trades",
    means="A bar does not tell what came first in it; such trades rest on an assumption.",
    do="Run it on shorter bars: there the order of events is known.",
)
def same_bar(case: Case) -> Reading | str:
    """Return how many trades lasted less than a bar."""
    if not len(case.pnl):
        return NO_TRADES
    inside = column(case.trades, "bars_held") == 0
    share = float(inside.mean())
    made = float(np.nansum(case.pnl[inside]))
    says = f"{count(int(inside.sum()), 'trade')} of {len(case.pnl):,} began and ended in one bar "
    says += f"and made {money(made)}."
    worst = np.flatnonzero(inside)
    worst = worst[np.argsort(-np.abs(np.nan_to_num(case.pnl[worst])), kind="stable")[:4]]
    where = tuple(links.row("trades", int(n), case.trade_words(int(n))) for n in worst)
    effect = abs(made) / abs(case.made) if case.made else 0.0
    return Reading(share, says, effect, (*where, links.field("timeframe")))


@diagnosis(
    GROUP,
    "Stop and target in the same bar",
    unit="fraction",
    note=0.01,
    warning=0.05,
    critical=0.25,
    measures="exits by stop or target whose bar held both levels / such exits; from 5 on",
    means="Which of the two came first is not in the bar; the result took one for granted.",
    do="Run it on shorter bars, or count each such exit as a stop.",
)
def ambiguous_exits(case: Case) -> Reading | str:
    """Return how many exits a bar leaves open."""
    stop, target = (case.execution.get(name) for name in ("stop_loss", "take_profit"))
    if not stop or not target:
        return "It has not both a stop loss and a take profit on its positions."
    if case.panel is None:
        return case.no_panel
    n, high, low = _exits(case)
    if len(n) < A_FEW:
        return f"It takes {A_FEW} exits by stop or target; there are {len(n)}."
    entry, side = case.trades["entry_price"][n], np.sign(case.trades["size"][n])
    worse, better = entry * (1.0 - side * float(stop)), entry * (1.0 + side * float(target))
    both = (low <= np.minimum(worse, better)) & (high >= np.maximum(worse, better))
    share = float(both.mean())
    says = f"{count(int(both.sum()), 'exit')} of {len(n):,} had stop and target in one bar."
    where = [links.row("trades", int(at), case.trade_words(int(at))) for at in n[both][:2]]
    bars = [
        links.bar(str(case.trades["symbol"][at]), int(case.trades["exit_ts"][at]))
        for at in n[both][:2]
    ]
    return Reading(share, says, share, (*where, *bars, links.field("timeframe")))


def _exits(case: Case) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the trades that a stop or target closed, with high and low of the bar it was in."""
    none = np.empty(0, np.int64), np.empty(0), np.empty(0)
    kind = column(case.orders, "kind")
    if case.panel is None or not len(kind):
        return none
    closes = np.isin(kind.astype(np.str_), STOPS + TARGETS)
    ended = {
        (str(symbol), int(ts))
        for symbol, ts in zip(
            case.orders["symbol"][closes], case.orders["ended_ts"][closes], strict=True
        )
    }
    columns = {symbol: at for at, symbol in enumerate(case.panel.symbols)}
    at = np.searchsorted(case.panel.ts, case.trades["exit_ts"])
    rows = [
        (n, int(at[n]), columns[str(symbol)])
        for n, symbol in enumerate(case.trades["symbol"])
        if (str(symbol), int(case.trades["exit_ts"][n])) in ended and str(symbol) in columns
    ]
    if not rows:
        return none
    n, bar, asset = np.array(rows, dtype=np.int64).T
    return n, case.panel.high[bar, asset], case.panel.low[bar, asset]


DIAGNOSES: tuple[Diagnosis, ...] = (
    outlier_bars,
    missing_bars,
    gap_profit,
    same_bar,
    ambiguous_exits,
)
