"""Fills beside the bars they happened in: volume, fresh prices, ranges, touches."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.doctor import links
from apps.backtests.kernel.doctor.case import Case, column
from apps.backtests.kernel.doctor.findings import OK, Diagnosis, Reading, diagnosis
from apps.backtests.kernel.doctor.seen import Seen, held_of
from apps.backtests.kernel.doctor.words import count, money, percent
from apps.backtests.kernel.fills import FILLS
from apps.market.kernel.bars import Panel

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
GROUP = "Fills"
NO_FILLS = "No fill has a bar beside it."
NO_VOLUME = "The bars hold no volume."
STALE_BARS, ENOUGH, A_FEW = 3, 20, 5
PART, TAIL = 0.10, 0.95
RESTING = {"limit", "take_profit"}
EXACT = 1e-9


def _fills_at(case: Case, seen: Seen, which: Flags, most: int = 3) -> tuple[links.Link, ...]:
    """Point at the largest of some fills, each with its bar."""
    n = np.flatnonzero(which)
    n = n[np.argsort(-np.nan_to_num(seen.value[n]), kind="stable")[:most]]
    found: list[links.Link] = []
    for at in n:
        number, symbol = int(seen.n[at]), str(case.fills["symbol"][seen.n[at]])
        found.append(links.row("fills", number, f"fill {number + 1}, {symbol}"))
        found.append(links.bar(symbol, int(case.fills["ts"][seen.n[at]])))
    return tuple(found)


def _seen(case: Case) -> Seen | str:
    seen = case.seen
    if seen is None:
        return case.no_panel
    return seen if len(seen.n) else NO_FILLS


def _with_volume(case: Case) -> tuple[Seen, Panel, Flags] | str:
    """Return the fills, and which of them are in instruments that have volume at all."""
    seen, panel = _seen(case), case.panel
    if isinstance(seen, str) or panel is None:
        return seen if isinstance(seen, str) else case.no_panel
    has: Flags = np.asarray((np.nan_to_num(panel.volume) > 0.0).any(axis=0))
    kept = has[seen.asset]
    return (seen, panel, kept) if kept.any() else NO_VOLUME


@diagnosis(
    GROUP,
    "Fills on bars without volume",
    unit="fraction",
    note=0.001,
    warning=0.01,
    critical=0.05,
    measures="value filled on bars whose volume is 0 or missing / value traded",
    means="Nobody traded in that bar, so nobody would have traded with it either.",
    do="Set a largest share of a bar's volume; then such a fill waits for the next bar.",
)
def no_volume(case: Case) -> Reading | str:
    """Return what was filled where nothing traded."""
    found = _with_volume(case)
    if isinstance(found, str):
        return found
    seen, _, kept = found
    empty = kept & ~(np.nan_to_num(seen.volume) > 0.0)
    share = seen.share(empty)
    says = f"{count(int(empty.sum()), 'fill')} of {len(seen.n):,} ({percent(share)} of the value) "
    says += "happened in bars without volume."
    where = (*_fills_at(case, seen, empty, 2), links.field("execution.participation"))
    return Reading(share, says, share, where)


@diagnosis(
    GROUP,
    "Fills at stale prices",
    unit="fraction",
    note=0.001,
    warning=0.01,
    critical=0.1,
    measures="value filled at a price equal to the three closes before / value traded",
    means="A price that has not moved for three bars is an old one; the market was elsewhere.",
    do="Leave out instruments that trade so rarely, or use longer bars.",
)
def stale_price(case: Case) -> Reading | str:
    """Return what was filled at a price that had stood still."""
    seen, panel = _seen(case), case.panel
    if isinstance(seen, str) or panel is None:
        return seen if isinstance(seen, str) else case.no_panel
    base = seen.base()
    same = np.isfinite(base) & (seen.bar >= STALE_BARS)
    for back in range(1, STALE_BARS + 1):
        same &= panel.close[np.maximum(seen.bar - back, 0), seen.asset] == base
    share = seen.share(same)
    says = (
        f"{count(int(same.sum()), 'fill')} of {len(seen.n):,} ({percent(share)} of the value) got "
        "the price at which the three bars before had closed."
    )
    return Reading(share, says, share, _fills_at(case, seen, same))


@diagnosis(
    GROUP,
    "Fills at the best price of their bar",
    unit="fraction",
    warning=0.2,
    critical=0.5,
    measures=(
        "fills at open or close that bought at the bar's low or sold at its high / all; counts "
        "when 3 deviations above how often open or close are the extreme in all bars"
    ),
    means="Nobody knows the low of a bar while it lasts: something looked ahead.",
    do="Run the look-ahead probe; check that signals use bars that had closed.",
    source="binomial test against the bars of the same instruments",
)
def best_price(case: Case) -> Reading | str:
    """Return how often fills got the best price of their bar."""
    seen, panel = _seen(case), case.panel
    if isinstance(seen, str) or panel is None:
        return seen if isinstance(seen, str) else case.no_panel
    base = seen.base()
    usable = np.isfinite(base) & (seen.high > seen.low)
    n = int(usable.sum())
    if n < ENOUGH:
        return f"It takes {ENOUGH} fills at the open or close of bars with a range; there are {n}."
    best = np.where(seen.quantity > 0.0, base == seen.low, base == seen.high) & usable
    usual = _usual_extremes(panel, seen, usable)
    share = float(best.sum()) / n
    error = math.sqrt(max(usual * (1.0 - usual), 1e-12) / n)
    far = (share - usual) / error
    says = (
        f"{percent(share)} of {n:,} fills bought at the low or sold at the high of their bar; "
        f"chance gives {percent(usual)}."
    )
    at_most = "critical" if far > 3.0 else OK
    return Reading(share, says, share, _fills_at(case, seen, best), at_most)


def _usual_extremes(panel: Panel, seen: Seen, usable: Flags) -> float:
    """Return how often the price that fills are made at is the better extreme of its bar."""
    moved = panel.high > panel.low
    if not moved.any():
        return 0.0
    opens = (seen.moment[usable] == "open").mean()
    buys = (seen.quantity[usable] > 0.0).mean()
    shares = {}
    for name, price in (("open", panel.open), ("close", panel.close)):
        low, high = (price == panel.low)[moved].mean(), (price == panel.high)[moved].mean()
        shares[name] = buys * low + (1.0 - buys) * high
    return float(opens * shares["open"] + (1.0 - opens) * shares["close"])


@diagnosis(
    GROUP,
    "Fills outside the bar",
    unit="fraction",
    warning=1e-9,
    critical=0.01,
    measures=(
        "value filled beyond the bar's low and high by more than slippage, half the spread, "
        "impact and a tick / value traded"
    ),
    means="No such price was there: the bars were revised since, or prices don't fit them.",
    do="Run it again on the bars as they are now.",
)
def outside_bar(case: Case) -> Reading | str:
    """Return what was filled at prices that its bar does not hold."""
    seen = _seen(case)
    if isinstance(seen, str):
        return seen
    room = 1e-4 * sum(
        float(case.costs.get(name) or 0.0) for name in ("slippage_bps", "impact_bps")
    )
    room += 0.5e-4 * float(case.costs.get("spread_bps") or 0.0) + 1e-9
    tick = case.execution.get("tick") or 0.0
    ticks = tick.values() if isinstance(tick, dict) else (tick,)
    step = max((float(one) for one in ticks), default=0.0)
    with np.errstate(invalid="ignore"):
        wrong = seen.price > seen.high * (1.0 + room) + step
        wrong |= seen.price < seen.low * (1.0 - room) - step
    share = seen.share(wrong)
    says = f"{count(int(wrong.sum()), 'fill')} of {len(seen.n):,} got a price outside its bar."
    return Reading(share, says, share, _fills_at(case, seen, wrong))


@diagnosis(
    GROUP,
    "Fills too large for their bar",
    unit="fraction",
    note=0.01,
    warning=0.05,
    critical=0.25,
    measures="value of fills above a tenth of their bar's volume / value traded",
    means="Such orders move the price; the fill at an unmoved one would not have been had.",
    do="Set a largest share of volume and an impact, or run it with less cash.",
    source="a tenth of volume is the usual limit of execution desks; zipline's default is 2.5 %",
)
def large_fills(case: Case) -> Reading | str:
    """Return what was filled above a tenth of the bar's volume."""
    found = _with_volume(case)
    if isinstance(found, str):
        return found
    seen, _, kept = found
    part = _parts(seen)
    large = kept & (part > PART)
    share = seen.share(large)
    top = float(part[kept & np.isfinite(part)].max(initial=0.0))
    says = (
        f"{count(int(large.sum()), 'fill')} of {len(seen.n):,} ({percent(share)} of the value) "
        f"took more than a tenth of their bar's volume; the largest took {percent(top)}."
    )
    where = (*_fills_at(case, seen, large, 2), links.field("execution.participation"))
    return Reading(share, says, share, where)


def _parts(seen: Seen) -> Floats:
    """Return each fill's share of its bar's volume; NaN without volume."""
    volume = np.nan_to_num(seen.volume)
    out = np.full(len(volume), np.nan)
    np.divide(np.abs(seen.quantity), volume, out=out, where=volume > 0.0)
    return out


@diagnosis(
    GROUP,
    "Little capacity",
    unit="times",
    note=100.0,
    warning=10.0,
    critical=1.0,
    below=True,
    measures="multiple of the cash at which 5 % of the value traded takes a tenth of volume",
    means="With this multiple of its cash it begins to move prices against itself.",
    do="Don't plan more capital than that without impact in the costs.",
    source="shares of volume grow in step with capital; impact begins near a tenth",
)
def capacity(case: Case) -> Reading | str:
    """Return how many times its cash it could trade."""
    found = _with_volume(case)
    if isinstance(found, str):
        return found
    seen, _, kept = found
    part = _parts(seen)
    known = np.flatnonzero(kept & np.isfinite(part) & (seen.value > 0.0))
    if not len(known):
        return NO_VOLUME
    order = known[np.argsort(part[known], kind="stable")]
    reached = np.cumsum(seen.value[order]) >= TAIL * seen.value[order].sum() * (1.0 - EXACT)
    typical = float(part[order[int(np.argmax(reached))]])
    times = PART / typical if typical > 0.0 else 1e9
    says = (
        f"95 % of the value traded stays below {percent(typical)} of its bar's volume: room for "
        f"about {money(times * case.start_cash)}, {times:,.1f} times the cash."
    )
    most = np.zeros(len(part), np.bool_)
    most[order[-3:]] = True
    return Reading(times, says, links=_fills_at(case, seen, most, 2))


@diagnosis(
    GROUP,
    "Limit orders filled by a touch",
    unit="fraction",
    note=0.02,
    warning=0.1,
    critical=0.5,
    measures="fills of limits that their bar only just touched / fills of limits; from 5 on",
    means="At a touch others stand before it in the queue; the price must trade through it.",
    do="Move limits by a tick in the test, and see what is left of the result.",
    source="queue priority; the usual rule is to ask for one tick beyond",
)
def touched(case: Case) -> Reading | str:
    """Return how many limits were filled at the very edge of their bar."""
    seen = _seen(case)
    if isinstance(seen, str):
        return seen
    resting = (seen.moment == "within") & np.isin(_kinds(case, seen), list(RESTING))
    if int(resting.sum()) < A_FEW:
        return f"It takes {A_FEW} fills of limits within a bar; there are {int(resting.sum())}."
    edge = np.where(seen.quantity > 0.0, seen.low, seen.high)
    touch = resting & (np.abs(seen.price - edge) <= EXACT * np.abs(edge))
    share = float(touch.sum()) / float(resting.sum())
    says = (
        f"{count(int(touch.sum()), 'limit')} of {int(resting.sum()):,} filled at the very low or "
        "high of the bar."
    )
    return Reading(share, says, seen.share(touch), _fills_at(case, seen, touch))


def _kinds(case: Case, seen: Seen) -> NDArray[np.str_]:
    """Return the kind of order that each fill belongs to."""
    kinds = np.asarray(column(case.orders, "kind"), dtype=np.str_)
    number = np.asarray(column(case.fills, "order"), dtype=np.int64)
    if not len(kinds) or not len(number):
        return np.full(len(seen.n), "", dtype=np.str_)
    at = np.clip(number[seen.n] - 1, 0, len(kinds) - 1)
    return np.asarray(np.where(number[seen.n] > 0, kinds[at], ""), dtype=np.str_)


@diagnosis(
    GROUP,
    "Fills at bad prints",
    unit="fraction",
    note=0.001,
    warning=0.005,
    critical=0.05,
    measures=(
        "value filled in bars that moved over 10 robust deviations, of which a fifth or less was "
        "left a bar later / value traded"
    ),
    means="A jump that is gone with the next bar is most often a wrong price, not a chance.",
    do="Look at the bar; if it is wrong, put it right in the data room and run again.",
    source="1.4826 times the median absolute move as deviation (Hampel's identifier)",
)
def bad_prints(case: Case) -> Reading | str:
    """Return what was filled in spikes."""
    seen, panel = _seen(case), case.panel
    if isinstance(seen, str) or panel is None:
        return seen if isinstance(seen, str) else case.no_panel
    held = case.held if case.held is not None else held_of(panel, {})
    inside = held.spikes(panel.close)[seen.bar, seen.asset]
    share = seen.share(inside)
    says = f"{count(int(inside.sum()), 'fill')} of {len(seen.n):,} happened in spikes that were "
    says += "gone one bar later."
    return Reading(share, says, share, _fills_at(case, seen, inside))


@diagnosis(
    GROUP,
    "A fill that no market offers",
    unit="flag",
    critical=1.0,
    measures="1 when it fills at the close it decides at, or closes all at the last open",
    means="The close is known only when it is too late to trade at it.",
    do="Run it with fill next_open, and compare: the difference is what it never had.",
    source="the fill rule of the run",
)
def untradable_fill(case: Case) -> Reading | str:
    """Return whether the fill rule serves comparisons only."""
    name = str(case.request.get("fill") or "next_open")
    rule = FILLS.get(name)
    closes = bool(case.request.get("finalize"))
    bad = closes or (rule is not None and not rule.tradable)
    says = f"Fill rule: {rule.says if rule else name}" + (
        ", all closed at the end." if closes else "."
    )
    where = (links.field("finalize" if closes else "fill"),)
    return Reading(float(bad), says, 1.0, where)


DIAGNOSES: tuple[Diagnosis, ...] = (
    untradable_fill,
    no_volume,
    stale_price,
    best_price,
    outside_bar,
    large_fills,
    capacity,
    touched,
    bad_prints,
)
