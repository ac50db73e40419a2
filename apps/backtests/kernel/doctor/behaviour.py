"""How it sizes and holds: leverage, idleness, doubling up after losses, currencies."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.doctor import links
from apps.backtests.kernel.doctor.case import Case, column
from apps.backtests.kernel.doctor.findings import OK, Diagnosis, Reading, diagnosis
from apps.backtests.kernel.doctor.words import count, money, percent
from apps.backtests.kernel.integrity.sharpe import NORMAL

Floats = NDArray[np.float64]
GROUP = "Sizing and holding"
PASSIVE = "A yardstick that buys and holds is always in the market."
NO_TRADES = "Nothing was traded."
A_SIDE, ADDS, LARGE_ADD, MANY = 20, 20, 0.25, 30
MOST_FILLS = 200_000


@diagnosis(
    GROUP,
    "Hardly ever in the market",
    unit="fraction",
    note=0.2,
    warning=0.05,
    below=True,
    measures="bars with something held / bars",
    means="Figures per year rest on few bars; idle cash makes volatility look small.",
    do="Judge it by its trades, and say what the cash does meanwhile.",
)
def idle(case: Case) -> Reading | str:
    """Return how much of the time something was held."""
    if not len(case.exposure):
        return "The run has no bars."
    share = float((np.nan_to_num(case.exposure) > 0.0).mean())
    says = f"Something was held in {percent(share)} of {len(case.exposure):,} bars."
    return Reading(share, says, links=(links.tab("trades", "All trades"),))


@diagnosis(
    GROUP,
    "It begins late",
    unit="fraction",
    note=0.1,
    warning=0.25,
    measures="bars before the first fill / bars",
    means="The bars before it count in volatility and Sharpe, but nothing was decided in them.",
    do="Begin the data earlier by the warm-up, or the run later.",
)
def late_start(case: Case) -> Reading | str:
    """Return how much of the record passed before the first fill."""
    ts = column(case.fills, "ts")
    if not len(ts) or len(case.ts) < 2:
        return NO_TRADES
    first = int(np.searchsorted(case.ts, ts.min()))
    share = first / len(case.ts)
    n = int(np.argmin(ts))
    says = f"The first fill came on {links.on(ts[n])}, after {percent(share)} of the bars."
    where = (links.row("fills", n, f"fill {n + 1}"), links.field("start"))
    return Reading(share, says, share, where)


@diagnosis(
    GROUP,
    "Always fully invested",
    unit="fraction",
    note=0.95,
    measures="bars after the first fill with an exposure within 5 % of the usual one / those bars",
    means="It never steps aside: its drawdowns are those of what it picks from.",
    do="Compare it with holding all of them, not with cash.",
)
def always_in(case: Case) -> Reading | str:
    """Return how constant the exposure is."""
    if case.passive:
        return PASSIVE
    known = np.nan_to_num(case.exposure)
    inside = np.flatnonzero(known > 0.0)
    if not len(inside):
        return NO_TRADES
    part = known[inside[0] :]
    usual = float(np.median(part))
    near = np.abs(part - usual) <= 0.05 * usual if usual > 0.0 else np.zeros(len(part), np.bool_)
    says = (
        f"In {percent(float(near.mean()))} of the bars exposure was {percent(usual)} of equity, "
    )
    says += "give or take a twentieth."
    where = (links.span(case.ts[inside[0]], case.ts[-1], "from the first position on"),)
    return Reading(float(near.mean()), says, links=where)


@diagnosis(
    GROUP,
    "High leverage",
    unit="times",
    note=1.5,
    warning=2.0,
    critical=4.0,
    measures="largest gross value of positions / equity at a close",
    means="At 4 times a move of a quarter against it takes everything; brokers act long before.",
    do="Set a largest leverage and a maintenance margin as your broker has them.",
    source="Regulation T allows 2 times overnight",
)
def leverage(case: Case) -> Reading | str:
    """Return the largest leverage."""
    known = np.nan_to_num(case.exposure)
    if not len(known):
        return "The run has no bars."
    at = int(np.argmax(known))
    top = float(known[at])
    says = f"Gross value reached {top:.2f} times equity on {links.on(case.ts[at])}."
    where = (
        links.span(case.ts[at], case.ts[at], links.on(case.ts[at])),
        links.field("execution.leverage"),
    )
    return Reading(top, says, links=where)


@diagnosis(
    GROUP,
    "Near or past a margin call",
    unit="fraction",
    note=0.15,
    warning=0.05,
    critical=0.0,
    below=True,
    measures="least equity / gross value at a close, minus the maintenance margin; 0 after a call",
    means="A forced sale at the worst moment; the account is not the trader's own any more.",
    do="Take less leverage until the worst bar leaves room.",
)
def margin(case: Case) -> Reading | str:
    """Return how near a margin call it came."""
    least = case.execution.get("maintenance")
    if not least:
        return "The run has no maintenance margin."
    known = np.nan_to_num(case.exposure)
    calls = int((case.result.get("flows") or {}).get("margin_call", 0))
    if not (known > 0.0).any():
        return NO_TRADES
    at = int(np.argmax(known))
    room = 1.0 / float(known[at]) - float(least)
    says = f"Equity came to {percent(1.0 / float(known[at]))} of gross value, the margin is "
    says += f"{percent(float(least))}; {count(calls, 'margin call')}."
    forced = np.flatnonzero(column(case.orders, "kind").astype(np.str_) == "margin_call")
    where = tuple(links.row("orders", int(n), f"order {n + 1}") for n in forced[:3])
    here = links.span(case.ts[at], case.ts[at], links.on(case.ts[at]))
    return Reading(min(room, 0.0) if calls else room, says, links=(*where, here))


@diagnosis(
    GROUP,
    "It bets more after losses",
    unit="ratio",
    note=1.15,
    warning=1.3,
    critical=1.8,
    measures=(
        "mean size of entries over equity after a loss / after a gain; counts when p < 0.01; "
        "from 20 entries each on"
    ),
    means="Doubling up after losses wins small and often until it loses everything once.",
    do="Size by risk and equity alone. See what the longest run of losses would have taken.",
    source="martingale betting; Welch's t-test",
)
def martingale(case: Case) -> Reading | str:
    """Return how much larger entries are after losses."""
    if not len(case.pnl):
        return NO_TRADES
    sizes, before = _sizes_after(case)
    lost, gained = sizes[before < 0.0], sizes[before > 0.0]
    if min(len(lost), len(gained)) < A_SIDE:
        return f"It takes {A_SIDE} entries after a loss and after a gain."
    ratio = float(lost.mean() / gained.mean())
    error = math.sqrt(lost.var(ddof=1) / len(lost) + gained.var(ddof=1) / len(gained))
    far = float(lost.mean() - gained.mean())
    p = NORMAL.cdf(-far / error) if error > 0.0 else float(far <= 0.0)
    says = (
        f"Entries were {percent(float(lost.mean()))} of equity after a loss and "
        f"{percent(float(gained.mean()))} after a gain (p = {p:.2g})."
    )
    largest = np.argsort(-np.where(before < 0.0, sizes, 0.0), kind="stable")[:3]
    where = tuple(links.row("trades", int(n), case.trade_words(int(n))) for n in largest)
    return Reading(ratio, says, links=where, at_most="critical" if p < 0.01 else OK)


def _sizes_after(case: Case) -> tuple[Floats, Floats]:
    """Return of each trade its value at entry over equity, and what the exit before it made."""
    entry, left = case.trades["entry_ts"], case.trades["exit_ts"]
    value = np.abs(case.trades["size"] * case.trades["entry_price"])
    at = np.clip(np.searchsorted(case.ts, entry) - 1, 0, len(case.ts) - 1)
    equity = case.equity[at]
    sizes = np.divide(value, equity, out=np.zeros(len(value)), where=equity > 0.0)
    closed = ~case.is_open
    times, place = np.unique(left[closed], return_inverse=True)
    made = np.zeros(len(times))
    np.add.at(made, place.reshape(-1), np.nan_to_num(case.pnl[closed]))
    last = np.searchsorted(times, entry, "right") - 1
    before = np.where(last >= 0, made[np.maximum(last, 0)] if len(made) else 0.0, 0.0)
    return sizes, np.asarray(before, dtype=np.float64)


@diagnosis(
    GROUP,
    "It adds to losers",
    unit="fraction",
    note=0.7,
    warning=0.85,
    measures=(
        "additions of a quarter or more to a position that stood at a loss / all such additions; "
        "from 20 on"
    ),
    means="Averaging down makes losers the largest positions; one that does not return is ruin.",
    do="Cap the size of a position, and test it on instruments that went to nothing.",
)
def adds_to_losers(case: Case) -> Reading | str:
    """Return how many additions went to positions at a loss."""
    if len(column(case.fills, "ts")) > MOST_FILLS:
        return f"It has more than {MOST_FILLS:,} fills."
    added = _additions(case)
    if len(added) < ADDS:
        return f"It takes {ADDS} additions of a quarter or more; there are {len(added)}."
    losing = [n for n, loses in added if loses]
    share = len(losing) / len(added)
    says = f"{len(losing)} of {count(len(added), 'addition')} went to positions at a loss."
    where = tuple(
        links.row("fills", n, f"fill {n + 1}, {case.fills['symbol'][n]}") for n in losing[:4]
    )
    return Reading(share, says, links=where)


def _additions(case: Case) -> list[tuple[int, bool]]:
    """Return the fills that enlarge a position by a quarter, and whether it stood at a loss."""
    held: dict[str, tuple[float, float]] = {}
    found = []
    rows = zip(
        case.fills.get("symbol", ()),
        column(case.fills, "quantity").tolist(),
        column(case.fills, "price").tolist(),
        strict=True,
    )
    for n, (symbol, quantity, price) in enumerate(rows):
        have, paid = held.get(symbol, (0.0, 0.0))
        now = have + quantity
        if have * quantity > 0.0:
            if abs(quantity) >= LARGE_ADD * abs(have):
                found.append((n, (price - paid) * have < 0.0))
            paid = (have * paid + quantity * price) / now
        elif have * now <= 0.0:
            paid = price
        held[symbol] = (now if abs(now) > 1e-12 else 0.0, paid)
    return found


@diagnosis(
    GROUP,
    "Often right, little gained",
    unit="ratio",
    note=0.5,
    warning=0.33,
    critical=0.15,
    below=True,
    measures="mean gain / mean loss of closed trades, when 80 % or more gain; from 30 on",
    means="A high rate of gains hides how large the losses are that pay for them.",
    do="Look at the largest losses; ask what one twice as large would do.",
    source="at a payoff of 0.25 it takes 80 % of gains to break even",
)
def payoff(case: Case) -> Reading | str:
    """Return the mean gain over the mean loss."""
    pnl = case.pnl[~case.is_open]
    gains, losses = pnl[pnl > 0.0], pnl[pnl < 0.0]
    if len(pnl) < MANY or not len(losses):
        return f"It takes {MANY} closed trades and a loss among them."
    rate = len(gains) / len(pnl)
    ratio = float(gains.mean() / -losses.mean()) if len(gains) else 0.0
    says = (
        f"{percent(rate)} of the trades gained, the others lost {money(float(-losses.mean()))} on "
        f"average: the mean gain is {ratio:.2f} of the mean loss."
    )
    worst = np.flatnonzero(~case.is_open)[np.argsort(pnl, kind="stable")[:3]]
    where = tuple(links.row("trades", int(n), case.trade_words(int(n))) for n in worst)
    return Reading(ratio, says, links=where, at_most="critical" if rate >= 0.8 else OK)


@diagnosis(
    GROUP,
    "Currencies are not hedged",
    unit="fraction",
    note=0.1,
    warning=0.5,
    measures="mean value held in other currencies / mean value held",
    means="Part of the result is the move of exchange rates, which nobody decided on.",
    do="Look at the result in each instrument's own currency, or add the hedge.",
)
def currency(case: Case) -> Reading | str:
    """Return how much was held in other currencies."""
    rates = case.panel.extras.get("fx") if case.panel is not None else None
    if case.panel is None or rates is None:
        return "All instruments are in the currency of the account, or that is not known."
    held = case.held
    if held is None:
        return case.why_not_held
    with np.errstate(invalid="ignore"):
        foreign = ~(np.isnan(rates) | (rates == 1.0)).all(axis=0)
    value = np.abs(held.quantity) * np.nan_to_num(case.panel.close * rates)
    total = float(value.sum())
    if total <= 0.0:
        return NO_TRADES
    share = float(value[:, foreign].sum()) / total
    named = [case.panel.symbols[a] for a in np.flatnonzero(foreign)]
    says = f"{percent(share)} of what was held is not in {case.panel.currency or 'the base'}"
    says += f": {', '.join(named[:5])}." if named else "."
    return Reading(
        share, says, share, (*(links.data(n) for n in named[:3]), links.field("currency"))
    )


DIAGNOSES: tuple[Diagnosis, ...] = (
    idle,
    late_start,
    always_in,
    leverage,
    margin,
    martingale,
    adds_to_losers,
    payoff,
    currency,
)
