"""All that a strategy may read, cut off after a close or with another future after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.bars import FIELDS, Floats, Panel

Bools = NDArray[np.bool_]
PRICES = ("open", "high", "low", "close")
UNIVERSE, TIMES = "universe", "ts"
# How another future differs: all higher, all lower, or each instrument by itself.
KINDS = ("up", "down", "mixed")
LABELS = 12
AFAR, JITTER, SHIFT_BARS = 0.9, 0.15, 45


@dataclass(frozen=True, slots=True)
class _Nature:
    """What kind of figures an input holds: it tells which other values are plausible."""

    is_fixed: bool
    is_positive: bool
    labels: Floats | None
    mean: float
    spread: float


def _nature(values: Floats) -> _Nature:
    finite = values[np.isfinite(values)]
    if len(finite) and not finite.any():
        # Nothing happened so far, as of splits: something may in another future.
        both = np.array([0.0, 1.0])
        return _Nature(is_fixed=False, is_positive=False, labels=both, mean=0.0, spread=1.0)
    if not len(finite) or _is_constant(values):
        return _Nature(is_fixed=True, is_positive=False, labels=None, mean=0.0, spread=1.0)
    # A few whole numbers are labels; most inputs are seen to be none without sorting them.
    labels: Floats | None = None
    if np.all(finite == np.floor(finite)):
        found = np.unique(finite)
        labels = found if len(found) <= LABELS else None
    mean, spread = float(finite.mean()), float(finite.std()) or 1.0
    is_positive = bool(finite.min() > 0.0)
    return _Nature(
        is_fixed=False, is_positive=is_positive, labels=labels, mean=mean, spread=spread
    )


@dataclass(frozen=True, slots=True)
class Sheet:
    """A panel, and when what stands in it was known.

    Parameters
    ----------
    known_at
        ``(n_bars, n_assets)`` int by name of an extra: the bar at whose close each value was
        known, for what is stamped earlier than that, as figures by the quarter they are of.
        What is not named is known at the close of its own bar.
    """

    panel: Panel
    known_at: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    _natures: dict[str, _Nature] = field(default_factory=dict, repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Every input there is: fields, extras, who has bars, the times of bars."""
        return (*FIELDS, *sorted(self.panel.extras), UNIVERSE, TIMES)

    def values(self, name: str) -> Floats:
        """Return a field or an extra."""
        found: Floats = getattr(self.panel, name) if name in FIELDS else self.panel.extras[name]
        return found

    def nature(self, name: str) -> _Nature:
        """Return of what kind the values of an input are; looked at once for all copies."""
        if name not in self._natures:
            self._natures[name] = _nature(self.values(name))
        return self._natures[name]

    def later(self, name: str, cut: int) -> Bools:
        """Tell which values of an input were not known when bar ``cut`` had closed."""
        if name in self.known_at:
            return np.asarray(self.known_at[name] > cut)
        out = np.zeros(self.panel.close.shape, np.bool_)
        out[cut + 1 :] = True
        return out


def truncated(sheet: Sheet, cut: int) -> Panel:
    """Return what was known when bar ``cut`` had closed; what is missing is NaN."""
    panel = sheet.panel.rows(0, cut + 1)
    if not sheet.known_at:
        return panel
    extras = dict(panel.extras)
    for name in sheet.known_at:
        unknown = sheet.later(name, cut)[: cut + 1]
        extras[name] = np.where(unknown, np.nan, extras[name])
    return replace(panel, extras=extras, known_digest="")


def scrambled(
    sheet: Sheet, cut: int, names: tuple[str, ...], kind: str, rng: np.random.Generator
) -> Panel:
    """Return the panel with another future of some inputs after bar ``cut``.

    Values are replaced by plausible ones, and what is missing stays missing; only ``universe``
    changes who has bars, and only ``ts`` the times. Prices move together, so that bars stay bars.
    """
    panel = sheet.panel
    walk = _walk(panel.close.shape, kind, rng)
    fields: dict[str, Any] = {}
    extras = dict(panel.extras)
    for name in names:
        if name in (UNIVERSE, TIMES):
            continue
        values, later = sheet.values(name), sheet.later(name, cut)
        other = np.where(later, _other(sheet, name, walk, kind, rng), values)
        if name in FIELDS:
            fields[name] = other
        else:
            extras[name] = other
    found = replace(panel, **fields, extras=extras, known_digest="")
    if UNIVERSE in names:
        found = _other_universe(found, cut, kind)
    if TIMES in names:
        found = replace(found, ts=_other_times(panel.ts, cut), known_digest="")
    return found


def _walk(shape: tuple[int, ...], kind: str, rng: np.random.Generator) -> Floats:
    """Return a factor of each value, of the same kind for all prices of a bar."""
    noise = rng.normal(0.0, JITTER, shape)
    if kind == "mixed":
        return np.asarray(np.exp(noise * 2.0 + rng.normal(0.0, 1.0, (1, shape[1]))))
    return np.asarray(np.exp(noise + (AFAR if kind == "up" else -AFAR)))


def _other(sheet: Sheet, name: str, walk: Floats, kind: str, rng: np.random.Generator) -> Floats:
    """Return plausible other values in place of all."""
    values = sheet.values(name)
    if name in PRICES:
        return values * walk
    nature = sheet.nature(name)
    if nature.is_fixed:
        return values
    if nature.labels is not None:
        return _other_labels(values, nature.labels, kind, rng)
    if nature.is_positive:
        return np.asarray(values * _walk(values.shape, kind, rng))
    return _other_figures(values, nature, kind, rng)


def _is_constant(values: Floats) -> bool:
    """Tell whether an input never changes: what is the same for good is known from the start."""
    first = values[np.isfinite(values).argmax(axis=0), np.arange(values.shape[1])]
    return bool(np.all((values == first) | ~np.isfinite(values)))


def _other_labels(values: Floats, labels: Floats, kind: str, rng: np.random.Generator) -> Floats:
    """Return another label at each place: the next, the one before, or any other."""
    places = np.searchsorted(labels, np.where(np.isfinite(values), values, labels[0]))
    step = {"up": 1, "down": len(labels) - 1}.get(kind, 0)
    steps = step or rng.integers(1, max(len(labels), 2), values.shape)
    found = labels[(places + steps) % len(labels)]
    return np.where(np.isfinite(values), found, np.nan)


def _other_figures(values: Floats, nature: _Nature, kind: str, rng: np.random.Generator) -> Floats:
    if kind == "mixed":
        turned = nature.mean - 1.5 * (values - nature.mean)
        return np.asarray(turned + nature.spread * rng.normal(0.0, 1.0, (1, values.shape[1])))
    away = 4.0 if kind == "up" else -4.0
    return np.asarray(values + nature.spread * (away + rng.normal(0.0, 1.0, values.shape)))


def _other_universe(panel: Panel, cut: int, kind: str) -> Panel:
    """Return other instruments with bars after ``cut``: some leave, those that left come back."""
    there = np.isfinite(panel.close)
    columns = np.arange(panel.n_assets)
    gone = {"up": columns % 2 == 0, "down": columns % 2 == 1, "mixed": columns >= 0}[kind]
    after = np.zeros(there.shape, np.bool_)
    after[cut + 1 :] = True
    leave = after & gone[None, :] & there
    come = after & ~there & ~gone[None, :]

    def other(values: Floats) -> Floats:
        known = np.where(after, np.nan, values)
        last = np.array([_last(known[:, column]) for column in columns])
        found = np.where(come & np.isfinite(last)[None, :], last[None, :], values)
        return np.where(leave, np.nan, found)

    fields: dict[str, Any] = {name: other(getattr(panel, name)) for name in FIELDS}
    return replace(panel, **fields, known_digest="")


def _last(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if len(finite) else float("nan")


def _other_times(ts: NDArray[np.int64], cut: int) -> NDArray[np.int64]:
    step = int(np.median(np.diff(ts))) if len(ts) > 1 else 1
    out = ts.copy()
    out[cut + 1 :] += SHIFT_BARS * step
    return out
