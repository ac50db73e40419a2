"""What became of orders: unfilled, refused, in part, rounded; and who decided them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.doctor import links
from apps.backtests.kernel.doctor.case import Case, column
from apps.backtests.kernel.doctor.findings import NOTE, Diagnosis, Reading, diagnosis
from apps.backtests.kernel.doctor.words import count, percent

GROUP = "Orders"
A_FEW = 10
TOO_FEW = f"It takes {A_FEW} orders."
# Cancelled because they had done their work, or were never woken.
MEANT = (
    "the other side of its bracket was filled",
    "nothing was left to close",
    "the order it hung on came to nothing",
    "taken back",
)


def _rows(which: NDArray[np.bool_]) -> tuple[links.Link, ...]:
    return tuple(links.row("orders", int(n), f"order {n + 1}") for n in np.flatnonzero(which)[:4])


def _states(case: Case) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    state, reason = (column(case.orders, name).astype(np.str_) for name in ("state", "reason"))
    return state, reason


@diagnosis(
    GROUP,
    "Many orders came to nothing",
    unit="fraction",
    note=0.2,
    warning=0.5,
    measures="orders that expired or were dropped unfilled / orders, brackets' other sides aside",
    means="What is measured are the orders that were filled, often the wrong half of them.",
    do="See which side is left out: limits that miss the good moves are adverse selection.",
)
def unfilled(case: Case) -> Reading | str:
    """Return how many orders came to nothing."""
    state, reason = _states(case)
    counted = ~np.isin(reason, MEANT)
    n = int(counted.sum())
    if n < A_FEW:
        return TOO_FEW
    filled = np.nan_to_num(column(case.orders, "filled").astype(np.float64))
    nothing = counted & np.isin(state, ["expired", "cancelled"]) & (filled == 0.0)
    share = float(nothing.sum()) / n
    says = f"{int(nothing.sum()):,} of {count(n, 'order')} expired or were dropped unfilled."
    return Reading(share, says, links=_rows(nothing))


@diagnosis(
    GROUP,
    "Orders were refused",
    unit="fraction",
    note=0.01,
    warning=0.1,
    measures="orders refused in whole or part for want of cash or leverage / orders",
    means="It wants more than the account has: what it would have done was not tested.",
    do="Scale the sizes to the cash, or give it the leverage it counts on.",
)
def refused(case: Case) -> Reading | str:
    """Return how many orders were refused."""
    state, _ = _states(case)
    if len(state) < A_FEW:
        return TOO_FEW
    which = state == "refused"
    says = f"{int(which.sum()):,} of {count(len(state), 'order')} were refused or cut."
    where = (*_rows(which), links.field("cash"))
    return Reading(float(which.mean()), says, links=where)


@diagnosis(
    GROUP,
    "Orders were filled in part",
    unit="fraction",
    note=0.05,
    warning=0.2,
    measures="orders filled in part / orders",
    means="The volume was not there; positions are smaller than decided, the result too.",
    do="Compare with less cash: if the return per cash rises, this is a limit of capacity.",
)
def partial(case: Case) -> Reading | str:
    """Return how many orders were filled in part."""
    if len(column(case.orders, "state")) < A_FEW:
        return TOO_FEW
    size, done = (
        np.abs(column(case.orders, name).astype(np.float64)) for name in ("size", "filled")
    )
    with np.errstate(invalid="ignore"):
        part = (done > 0.0) & (done < size * (1.0 - 1e-9))
    says = f"{int(part.sum()):,} of {count(len(part), 'order')} were filled in part."
    where = (*_rows(part), links.field("execution.participation"))
    return Reading(float(part.mean()), says, links=where)


@diagnosis(
    GROUP,
    "Lots are large beside positions",
    unit="fraction",
    note=0.01,
    warning=0.05,
    critical=0.25,
    measures="half a lot / units held, the middle one of all changes",
    means="Rounding decides the weights; the same rule with more cash gives another result.",
    do="Give it more cash, fewer instruments, or fractional units where the broker has them.",
    source="rounding to the nearest lot errs by half a lot at most",
)
def lots(case: Case) -> Reading | str:
    """Return how large rounding is beside positions."""
    lot = _lots(case)
    quantity = np.abs(column(case.positions, "quantity").astype(np.float64))
    holds = np.flatnonzero((quantity > 0.0) & (lot > 0.0))
    if not len(holds):
        return "Units are fractional, or nothing was held."
    error = lot[holds] / 2.0 / quantity[holds]
    middle = float(np.median(error))
    worst = holds[np.argsort(-error, kind="stable")[:3]]
    says = f"Half a lot is {percent(middle)} of the usual position."
    symbols = case.positions["symbol"]
    where = tuple(links.row("positions", int(n), f"{symbols[n]}") for n in worst)
    return Reading(middle, says, links=(*where, links.field("cash"), links.field("units")))


def _lots(case: Case) -> NDArray[np.float64]:
    """Return the lot of each row of the table of positions; 0 where units are fractional."""
    symbols = column(case.positions, "symbol")
    given = case.execution.get("lot") or 0.0
    least = 1.0 if case.request.get("units") == "whole" else 0.0
    if isinstance(given, dict):
        return np.array([max(float(given.get(s, 0.0)), least) for s in symbols], np.float64)
    return np.full(len(symbols), max(float(given), least))


@diagnosis(
    GROUP,
    "The orders came with the request",
    unit="flag",
    note=1.0,
    measures="1 when orders, weights or signals were given beside or in place of the strategy",
    means="The run tells of those rows, not of what the version would do by itself.",
    do="To propose the version, run the strategy alone.",
)
def given_rows(case: Case) -> Reading | str:
    """Return whether rows came with the request."""
    given = case.request.get("given") or {}
    says = f"With the request came {', '.join(given)}." if given else "It decided by itself."
    return Reading(float(bool(given)), says, links=(links.field("strategy"),), at_most=NOTE)


DIAGNOSES: tuple[Diagnosis, ...] = (unfilled, refused, partial, lots, given_rows)
