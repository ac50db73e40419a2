"""Folds of a walk-forward: bars to choose on, bars left out, bars to be judged on.

::

    warm-up | train …………………… | purge | embargo | test ………… |
              warm-up | train …………………… | purge | embargo | test ………… |      rolling
    warm-up | train ……………………………………… | purge | embargo | test ………… |      anchored

The warm-up is seen by the strategy and scored nowhere; each test window has its own, the bars
right before it. **Purge** takes away the last bars of training whose decisions are still held (or
whose labels still look ahead) when the test begins: make it as long as the longest holding.
**Embargo** leaves out more bars after those, as long as what one bar tells of the next lasts.
Neither is trained on or scored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid

Ints = NDArray[np.int64]
MODES = {
    "rolling": "training moves on with the test",
    "anchored": "training begins at the first bar and grows",
}
UNITS = {"d": "D", "w": "W", "mo": "M", "y": "Y"}
DURATION = re.compile(r"^([1-9][0-9]{0,4})(d|w|mo|y)$")
MOST_BARS = 10_000_000
MOST_FOLDS = 500
LEAST_TRAIN, LEAST_TEST = 10, 2
FIELDS = ("mode", "train", "test", "step", "purge", "embargo", "warmup", "demonstrate")
Length = int | str


@dataclass(frozen=True, slots=True)
class Plan:
    """How folds are cut; lengths are bars, or all durations such as ``2y``, ``6mo``, ``4w``.

    ``step`` is from one test to the next, the test's length unless said. ``warmup`` is what the
    strategy sees before a window, the longest of the combinations unless said. ``demonstrate``
    shows beside it what slicing the best of the whole history would have claimed.
    """

    train: Length
    test: Length
    mode: str = "rolling"
    step: Length | None = None
    purge: int = 0
    embargo: int = 0
    warmup: int | None = None
    demonstrate: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Fold:
    """Bars ``train_start:train_stop`` to choose on, ``test_start:test_stop`` to be judged on."""

    number: int
    train_start: int
    train_stop: int
    test_start: int
    test_stop: int
    warmup: int

    def as_dict(self) -> dict[str, Any]:
        """Return the bars as plain JSON."""
        return asdict(self)


def read_plan(given: Mapping[str, Any]) -> Plan:
    """Return a checked plan. Raises ``Invalid`` (``validation.plan``) with the field at fault."""
    if not isinstance(given, Mapping):
        raise refusal("plan", 'give an object such as {"train": 504, "test": 126}')
    unknown = sorted(set(given) - set(FIELDS))
    if unknown:
        known = ", ".join(FIELDS)
        raise refusal(f"plan.{unknown[0]}", f"is no field of a plan; there are {known}")
    for name in ("train", "test"):
        if given.get(name) is None:
            raise refusal(f"plan.{name}", "say how long, in bars or as a duration such as 2y")
    mode = given.get("mode") or "rolling"
    if not isinstance(mode, str) or mode not in MODES:
        raise refusal("plan.mode", f"{mode!r} is none of {', '.join(MODES)}")
    train, test = (_length(given, name) for name in ("train", "test"))
    step = _length(given, "step") if given.get("step") is not None else None
    if len({isinstance(one, str) for one in (train, test, step) if one is not None}) > 1:
        raise refusal("plan.train", "give train, test and step all in bars, or all as durations")
    _check_step(test, step)
    demonstrate = given.get("demonstrate", True)
    if not isinstance(demonstrate, bool):
        raise refusal("plan.demonstrate", "is true or false")
    return Plan(
        train=train,
        test=test,
        mode=mode,
        step=step,
        purge=_bars(given, "purge", 0) or 0,
        embargo=_bars(given, "embargo", 0) or 0,
        warmup=_bars(given, "warmup", None),
        demonstrate=demonstrate,
    )


def _length(given: Mapping[str, Any], name: str) -> Length:
    value = given[name]
    if isinstance(value, str):
        text = value.strip().lower()
        if text.isdecimal():
            return _length({name: int(text)}, name)
        if not DURATION.match(text):
            message = f"{value!r}: write bars such as 252, or a duration such as 90d, 6mo or 2y"
            raise refusal(f"plan.{name}", message)
        return text
    least = LEAST_TRAIN if name == "train" else LEAST_TEST
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST_BARS:
        raise refusal(f"plan.{name}", f"{value!r}: a whole number of bars from {least} on")
    return value


def _bars(given: Mapping[str, Any], name: str, default: int | None) -> int | None:
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_BARS:
        raise refusal(f"plan.{name}", f"{value!r}: a whole number of bars from 0 on")
    return value


def _check_step(test: Length, step: Length | None) -> None:
    """Refuse tests that overlap: a bar would be scored twice."""
    if step is None:
        return
    if isinstance(test, int) and isinstance(step, int):
        shorter = step < test
    else:
        origin = np.datetime64(0, "us")
        shorter = bool(_later(origin, str(step)) < _later(origin, str(test)))
    if shorter:
        raise refusal(
            "plan.step", f"{step} is shorter than a test of {test}; tests may not overlap"
        )


def cut(plan: Plan, ts: Ints, warmup: int) -> list[Fold]:
    """Return the folds of bars that open at ``ts``, in order.

    Parameters
    ----------
    ts
        ``(n_bars,)`` microseconds since 1970.
    warmup
        Bars that the strategy needs before a window, unless the plan says how many.

    Returns
    -------
    list of Fold
        Test windows ascend and never overlap; each reaches to the next one's (where ``step`` is
        the test's length), the last one to the last bar: a rest of less than half a window is
        added to the last one.

    Raises
    ------
    Invalid
        ``validation.too_short`` when not one fold fits, ``validation.plan`` for too many.
    """
    warmup = warmup if plan.warmup is None else plan.warmup
    first = warmup + 1
    by_dates = isinstance(plan.train, str)
    bounds = _by_dates(plan, ts, first) if by_dates else _by_bars(plan, len(ts), first)
    if len(bounds) > MOST_FOLDS:
        raise refusal("plan.test", f"more than {MOST_FOLDS} folds; make the tests longer")
    folds: list[Fold] = []
    for start, stop, train in bounds:
        train_stop = start - plan.purge - plan.embargo
        begun = first if plan.mode == "anchored" else max(train, first)
        if train_stop - begun < LEAST_TRAIN or stop - start < 1:
            continue
        folds.append(Fold(len(folds) + 1, begun, train_stop, start, stop, warmup))
    if not folds:
        raise _too_short(plan, len(ts), first)
    return folds


Bounds = list[tuple[int, int, int]]


def _by_bars(plan: Plan, n_bars: int, first: int) -> Bounds:
    """Return starts and stops of tests with where rolling training starts."""
    assert isinstance(plan.train, int)  # noqa: S101 read_plan saw to it
    assert isinstance(plan.test, int)  # noqa: S101
    step = plan.step if isinstance(plan.step, int) else plan.test
    gap, found = plan.purge + plan.embargo, []
    start = first + plan.train + gap
    while n_bars - start >= plan.test:
        found.append((start, start + plan.test, start - gap - plan.train))
        if len(found) > MOST_FOLDS:
            break
        start += step
    return _with_rest(found, n_bars, start, plan.test, gap + plan.train)


def _with_rest(found: Bounds, n_bars: int, start: int, test: int, before: int) -> Bounds:
    """Return the tests with the bars that are left: a fold of half a window, or a longer last."""
    if n_bars - start >= max(test / 2, LEAST_TEST):
        return [*found, (start, n_bars, start - before)]
    if not found or n_bars <= start:
        return found
    last_start, last_stop, train = found[-1]
    return [*found[:-1], (last_start, n_bars if last_stop == start else last_stop, train)]


def _by_dates(plan: Plan, ts: Ints, first: int) -> Bounds:
    """Return the same by the calendar: each length counts from a day."""
    if first >= len(ts):
        return []
    train, test = str(plan.train), str(plan.test)
    step, times = str(plan.step or plan.test), ts.astype("datetime64[us]")
    origin = times[first].astype("datetime64[D]").astype("datetime64[us]")
    found: Bounds = []
    place = 0
    while len(found) <= MOST_FOLDS:
        day = _later(_later(origin, train), step, place)
        if day > times[-1]:
            break
        end = _later(day, test)
        start, stop = (int(np.searchsorted(times, at)) for at in (day, end))
        begin = int(np.searchsorted(times, _earlier(day, train)))
        # An end within the last window's second half leaves a rest that is added to it.
        rest = times[-1] - end
        if end <= times[-1] and (not plan.step or plan.step == plan.test) and rest * 2 < end - day:
            stop = len(ts)
            found.append((start, stop, begin))
            break
        found.append((start, min(stop, len(ts)), begin))
        place += 1
    return found


def _later(at: np.datetime64, duration: str, times: int = 1) -> np.datetime64:
    """Return a time so much later; months and years keep the day, cut to the month's last."""
    match = DURATION.match(duration)
    assert match is not None  # noqa: S101 read_plan saw to it
    count, unit = int(match[1]) * times, UNITS[match[2]]
    if unit in {"D", "W"}:
        return at + np.timedelta64(count * (7 if unit == "W" else 1), "D")
    months = count * (12 if unit == "Y" else 1)
    month = at.astype("datetime64[M]")
    within = at - month.astype("datetime64[us]")
    target = month + np.timedelta64(months, "M")
    end = (target + np.timedelta64(1, "M")).astype("datetime64[us]")
    return min(target.astype("datetime64[us]") + within, end - np.timedelta64(1, "D"))


def _earlier(at: np.datetime64, duration: str) -> np.datetime64:
    return _later(at, duration, -1)


def _too_short(plan: Plan, n_bars: int, first: int) -> Invalid:
    gap = plan.purge + plan.embargo
    message = (
        f"There are {n_bars} bars: {first} of warm-up, then a training of {plan.train}, {gap} "
        f"left out and a test of {plan.test} don't fit once. Choose an earlier start or shorter "
        "windows."
    )
    return Invalid(message, code="validation.too_short", details={"field": "plan.train"})


def refusal(field: str, message: str) -> Invalid:
    """Return the refusal of a plan."""
    return Invalid(f"{field}: {message}.", code="validation.plan", details={"field": field})


def window_of(fold: Fold, ts: Ints) -> dict[str, Any]:
    """Return a fold's bars with the days they open, as plain JSON."""
    days = ts.astype("datetime64[us]").astype("datetime64[D]")

    def said(start: int, stop: int) -> dict[str, Any]:
        last = max(stop - 1, start)
        return {
            "start": start,
            "stop": stop,
            "bars": stop - start,
            "from": str(days[min(start, len(ts) - 1)]),
            "to": str(days[min(last, len(ts) - 1)]),
        }

    return {
        "warmup": fold.warmup,
        "train": said(fold.train_start, fold.train_stop),
        "left_out": fold.test_start - fold.train_stop,
        "test": said(fold.test_start, fold.test_stop),
    }
