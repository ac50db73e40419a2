"""The emergency stop: a state machine over equity. Decided here, kept and told elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from apps.risk.kernel.policies import Limits

OK, WARNING, ACTIVE, COOLDOWN = "ok", "warning", "active", "cooldown"
STATES = (OK, WARNING, ACTIVE, COOLDOWN)
# In these nothing is opened; what makes a position smaller always passes.
BLOCKING = frozenset({ACTIVE, COOLDOWN})
WARNED, EASED, TRIPPED, RESUMED, ENDED = "warned", "eased", "tripped", "resumed", "ended"
SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Policy:
    """When a stop warns and trips; None switches a threshold off.

    ``drawdown`` and ``daily_loss`` are shares of equity, ``warning`` the share of them at which it
    warns, ``cool_down`` how long it still blocks after people have resumed.
    """

    drawdown: float | None = None
    daily_loss: float | None = None
    warning: float | None = None
    cool_down: timedelta = timedelta(0)

    @property
    def is_on(self) -> bool:
        """Whether anything can trip it."""
        return self.drawdown is not None or self.daily_loss is not None


@dataclass(frozen=True, slots=True)
class Watch:
    """A stop as it stands.

    ``peak`` and ``day_start`` are what equity is held against; ``day`` is that of ``day_start``.
    """

    equity: float
    peak: float
    day_start: float
    day: date
    state: str = OK
    cause: str = ""
    cool_until: datetime | None = None

    @property
    def drawdown(self) -> float:
        """Loss since the peak as a share of it, 0 or more."""
        return _loss(self.equity, self.peak)

    @property
    def daily_loss(self) -> float:
        """Loss since the day began as a share of equity then, 0 or more."""
        return _loss(self.equity, self.day_start)

    @property
    def blocks(self) -> bool:
        """Whether nothing may be opened."""
        return self.state in BLOCKING


def policy_of(limits: Limits) -> Policy:
    """Return what a limit set says of the emergency stop."""
    return Policy(
        drawdown=limits.ess_drawdown,
        daily_loss=limits.ess_daily_loss,
        warning=limits.ess_warning,
        cool_down=timedelta(minutes=limits.ess_cool_down_minutes or 0.0),
    )


def begin(equity: float, day: date) -> Watch:
    """Return the watch of something seen for the first time."""
    return Watch(equity=equity, peak=equity, day_start=equity, day=day)


def look(
    before: Watch, policy: Policy, *, equity: float, day: date, now: datetime, flow: float = 0.0
) -> tuple[Watch, str]:
    """Return the stop after a look at equity, and what happened: one of the events, or nothing.

    Parameters
    ----------
    equity
        Equity now. One that is no number changes nothing: no stop trips, or ends, on a guess.
    day
        The day of the marks; on another one the daily loss begins anew from the last equity.
    flow
        What came in (or, below 0, went out) since the last look; it is neither gain nor loss.
    """
    if not math.isfinite(equity):
        return before, ""
    seen = _marked(before, equity, day, flow)
    if before.state == ACTIVE:
        return seen, ""
    found = causes(seen, policy)
    if found:
        return replace(seen, state=ACTIVE, cause="; ".join(found), cool_until=None), TRIPPED
    return _calm(seen, policy, now)


def _marked(before: Watch, equity: float, day: date, flow: float) -> Watch:
    start = before.day_start if day == before.day else before.equity
    peak = before.peak + flow
    # While it is active the peak stands, so that the page shows what tripped it.
    peak = peak if before.state == ACTIVE else max(peak, equity)
    return replace(before, equity=equity, peak=peak, day_start=start + flow, day=day)


def _calm(seen: Watch, policy: Policy, now: datetime) -> tuple[Watch, str]:
    """Return a stop that did not trip: cooling down, warning, or at ease."""
    if seen.state == COOLDOWN:
        if seen.cool_until is not None and now < seen.cool_until:
            return seen, ""
        return replace(seen, state=OK, cause="", cool_until=None), ENDED
    near = [] if policy.warning is None else causes(seen, policy, policy.warning)
    if near and seen.state == OK:
        return replace(seen, state=WARNING, cause="; ".join(near)), WARNED
    if not near and seen.state == WARNING:
        return replace(seen, state=OK, cause=""), EASED
    return (replace(seen, cause="; ".join(near)) if near else seen), ""


def resume(before: Watch, policy: Policy, now: datetime) -> Watch:
    """Return an active stop after people resumed: what it is held against begins anew.

    Nothing is opened until the cool-down is over, and a new loss trips it again meanwhile.
    """
    anew = replace(before, peak=before.equity, day_start=before.equity)
    if not policy.cool_down:
        return replace(anew, state=OK, cause="", cool_until=None)
    return replace(anew, state=COOLDOWN, cool_until=now + policy.cool_down)


def causes(seen: Watch, policy: Policy, share: float = 1.0) -> list[str]:
    """Return in words which thresholds, times ``share``, are reached."""
    found = []
    for what, loss, most in (
        ("below its peak", seen.drawdown, policy.drawdown),
        ("lost since the day began", seen.daily_loss, policy.daily_loss),
    ):
        if most is not None and loss >= share * most - SLACK:
            found.append(f"{loss:.1%} {what}; the stop is at {most:.1%}")
    return found


def used(seen: Watch, policy: Policy) -> float | None:
    """Return how much of the way to the nearest threshold is gone; None when it is off."""
    shares = [
        loss / most
        for loss, most in (
            (seen.drawdown, policy.drawdown),
            (seen.daily_loss, policy.daily_loss),
        )
        if most is not None
    ]
    return max(shares, default=None)


def _loss(equity: float, before: float) -> float:
    if before <= 0.0:
        return 0.0 if equity >= before else 1.0
    return max(0.0, 1.0 - equity / before)
