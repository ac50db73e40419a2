"""A run held against luck: the same strategy, parameters, costs and limits where no skill can be.

The p-value of a kind of world is the share of worlds, the run itself counted among them, in which
the strategy did as well or better: (1 + worlds at or above the run) / (1 + worlds).

References
----------
Davison and Hinkley (1997), Bootstrap Methods and their Application, section 4.2 (the p-value);
White (2000), Econometrica 68(5); Theiler et al. (1992), Physica D 58.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel import engine
from apps.backtests.kernel.integrity.gauntlet_bars import (
    BOOTSTRAPPED,
    FLIPPED,
    GARCH,
    PHASES,
    Bars,
    Past,
    past_of,
)
from apps.backtests.kernel.integrity.gauntlet_entries import ENTRIES, book_of, entered
from apps.backtests.kernel.integrity.worlds import keys_of
from apps.backtests.kernel.reports import player
from apps.backtests.kernel.requests import Request
from apps.core.errors import Conflict, Invalid, LabError, Unavailable
from apps.market.kernel.bars import Panel, periods_per_year
from apps.strategies.kernel.decisions import Decided, decisions_of
from apps.strategies.kernel.interface import Params, Strategy, check_panel

Floats = NDArray[np.float64]
FEWEST, MOST, USUAL = 19, 2_000, 499
# Figures this near are one: sums of the same numbers in another order.
SAME = 1e-9
Tell = Callable[[int], None]
Play = Callable[[Panel, Decided], engine.Result]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of world: what it keeps, and what a small p-value in it says."""

    name: str
    title: str
    keeps: str
    says: str


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            BOOTSTRAPPED,
            "Bootstrapped",
            "whole bars in blocks of random length, the drift of each instrument, and what moved "
            "together; the order of blocks is lost",
            "the timing made more of these bars than of the same bars in another order; drift "
            "alone, as holding earns it, does not count",
        ),
        Kind(
            PHASES,
            "Phases randomised",
            "the drift, the volatility and every autocorrelation and cross-correlation; turns, "
            "clusters of volatility and fat tails are lost",
            "it lives on more than linear dependence: a strategy that earns by autocorrelation "
            "alone does as well in these worlds",
        ),
        Kind(
            FLIPPED,
            "Signs flipped",
            "the size of every bar, clusters of volatility and what moved together; drift and "
            "direction are lost",
            "there is direction in its trades, by timing or by the drift of what it held",
        ),
        Kind(
            GARCH,
            "GARCH",
            "the drift, clusters of volatility by a GARCH(1,1) of each instrument, and shocks of "
            "the past; anything that predicts direction is lost",
            "the timing is worth more than clusters of volatility and drift can explain",
        ),
        Kind(
            ENTRIES,
            "Random entries",
            "the real prices, how long was held, how large and how often; when is lost",
            "its entries came at better times than those drawn by lot, held as long",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What was run: the same in every world."""

    panel: Panel
    strategy: Strategy
    params: Params
    request: Request

    @property
    def periods(self) -> float:
        """Bars of a year."""
        return periods_per_year(self.panel.timeframe, continuous=self.panel.continuous)


@dataclass(frozen=True, slots=True)
class Score:
    """What a run came to: Sharpe ratio per year and total return; 0 where it never traded.

    The Sharpe ratio of a run that lost everything is minus infinity: worse than any other.
    """

    sharpe: float
    total_return: float
    fills: int


@dataclass(slots=True)
class Nulls:
    """Figures of the worlds of one kind, in their order."""

    kind: str
    sharpe: list[float] = field(default_factory=list)
    total_return: list[float] = field(default_factory=list)
    idle: int = 0
    ruined: int = 0
    note: str = ""
    refused: dict[str, str] | None = None

    def add(self, score: Score) -> None:
        """Take in a world."""
        self.sharpe.append(score.sharpe)
        self.total_return.append(score.total_return)
        self.idle += not score.fills
        self.ruined += not math.isfinite(score.sharpe)


def check_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    """Return kinds in their usual order, all for none. Raises ``Invalid`` for an unknown one."""
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        message = f"kinds: {unknown[0]!r} is no null world; there are {', '.join(KINDS)}."
        raise Invalid(message, code="gauntlet.kind", details={"field": "kinds"})
    return tuple(kind for kind in KINDS if kind in kinds or not kinds)


def check_worlds(n_worlds: object) -> int:
    """Return how many worlds. Raises ``Invalid`` when out of range."""
    if (
        isinstance(n_worlds, bool)
        or not isinstance(n_worlds, int)
        or not FEWEST <= n_worlds <= MOST
    ):
        message = (
            f"worlds = {n_worlds!r}; a whole number from {FEWEST} to {MOST} is expected: the "
            "smallest p-value is 1 / (worlds + 1)."
        )
        raise Invalid(message, code="gauntlet.worlds", details={"field": "worlds"})
    return n_worlds


def seed_of(digest: str, kind: str) -> int:
    """Return the seed of a kind's worlds: the run's digest says it, so nobody can choose one."""
    return int.from_bytes(sha256(f"{digest}:{kind}".encode()).digest()[:8], "big")


def score_of(result: engine.Result, periods: float) -> Score:
    """Return the figures of a run; the Sharpe ratio is that of ``metrics``."""
    from apps.backtests.kernel.integrity import gauntlet_loops

    mean, spread, total = gauntlet_loops.sharpe_1d(result.equity, result.start_cash)
    fills = len(result.fills)
    if not math.isfinite(mean):
        return Score(-math.inf, total, fills)
    sharpe = mean / spread * math.sqrt(periods) if fills and spread > 0.0 else 0.0
    return Score(sharpe, total, fills)


def decide(setting: Setting, panel: Panel) -> Decided:
    """Return what the strategy decides on a panel. Raises ``Invalid`` as a run would."""
    strategy, params = setting.strategy, setting.params
    check_panel(strategy.spec, strategy.warmup(params), panel)
    return decisions_of(strategy, panel, params)


def run_of(setting: Setting) -> tuple[Decided, engine.Result]:
    """Return what was decided and the run itself, played anew.

    Raises ``Invalid`` when it made no trades.
    """
    from apps.backtests.kernel.laid import lay_weights

    given = setting.request.given
    if given.targets or given.signals:
        decided: Decided = lay_weights(given, setting.panel)
    else:
        decided = decide(setting, setting.panel)
    result = player(setting.request)(setting.panel, decided)
    if not len(result.fills):
        message = "The run made no trades, so there is nothing to hold against luck."
        raise Invalid(message, code="gauntlet.no_trades", details={"field": "run"})
    return decided, result


def nulls_of(
    setting: Setting,
    result: engine.Result,
    kind: str,
    n_worlds: int,
    digest: str,
    *,
    past: Past | None = None,
    tell: Tell | None = None,
) -> Nulls:
    """Return the figures of the worlds of one kind; a kind that can't be made tells why.

    Parameters
    ----------
    result
        The run itself.
    digest
        What the seed is made of: the run's digest.
    tell
        Called with the worlds done so far, after each.
    """
    found = Nulls(kind)
    try:
        for score in _scores(setting, result, found, n_worlds, digest, past):
            found.add(score)
            if tell is not None:
                tell(len(found.sharpe))
    except (Conflict, Unavailable):
        raise  # the text is not approved, or nothing holds it here: no kind can go on
    except LabError as error:
        return Nulls(kind, refused={"code": error.code, "message": error.message})
    return found


def _scores(
    setting: Setting,
    result: engine.Result,
    found: Nulls,
    n_worlds: int,
    digest: str,
    past: Past | None,
) -> Any:
    play, periods = player(setting.request), setting.periods
    seed = seed_of(digest, found.kind)
    if found.kind == ENTRIES:
        book = book_of(result, setting.strategy.warmup(setting.params))
        for number in range(n_worlds):
            targets = entered(book, np.random.default_rng([seed, number]))
            yield score_of(play(setting.panel, targets), periods)
        return
    _check_free(setting.request)
    bars = Bars(past_of(setting.panel) if past is None else past, found.kind)
    if found.kind == BOOTSTRAPPED:
        found.note = f"blocks of {bars.block:.1f} bars on average"
    for key in keys_of(seed, n_worlds):
        world = bars.panel(key)
        yield score_of(play(world, decide(setting, world)), periods)


def _check_free(request: Request) -> None:
    if request.given:
        message = (
            "The run played rows that came with the request: they decide nothing in a world of "
            "other prices. Random entries, on the real prices, can be had."
        )
        raise Invalid(message, code="gauntlet.given", details={"field": "kinds"})


def p_value(real: float, nulls: Sequence[float]) -> float:
    """Return (1 + nulls at or above the real figure) / (1 + nulls).

    Figures as near to each other as sums err tie: a world like the run counts against it.
    """
    least = real - SAME * max(1.0, abs(real))
    above = sum(1 for value in nulls if value >= least)
    return (1 + above) / (len(nulls) + 1)


def standard_error(p: float, n_worlds: int) -> float:
    """Return how far a p-value of so many worlds may be off by chance (one standard error)."""
    return math.sqrt(p * (1.0 - p) / (n_worlds + 1))


def judged(real: Score, nulls: Nulls) -> dict[str, Any]:
    """Return what a kind of world says of a run, JSON-ready."""
    kind = KINDS[nulls.kind]
    found: dict[str, Any] = {"kind": kind.name, "title": kind.title}
    found |= {"keeps": kind.keeps, "says": kind.says, "note": nulls.note}
    if nulls.refused is not None:
        return {**found, "worlds": 0, "refused": nulls.refused}
    found |= {"worlds": len(nulls.sharpe), "idle": nulls.idle, "ruined": nulls.ruined}
    found["refused"] = None
    for name in ("sharpe", "total_return"):
        found[name] = _against(getattr(real, name), getattr(nulls, name))
    return found


def _against(real: float, nulls: Sequence[float]) -> dict[str, Any]:
    p, n = p_value(real, nulls), len(nulls)
    known = np.array([value for value in nulls if math.isfinite(value)])
    cuts: Mapping[str, float | None] = {"low": None, "middle": None, "high": None, "mean": None}
    if len(known):
        low, middle, high = (float(x) for x in np.quantile(known, (0.05, 0.5, 0.95)))
        cuts = {"low": low, "middle": middle, "high": high, "mean": float(known.mean())}
    shown = real if math.isfinite(real) else None
    return {"real": shown, "p_value": p, "error": standard_error(p, n), **cuts}


def strictest(verdicts: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the largest p-value of the Sharpe ratio of all kinds; None when one is missing."""
    told = {verdict["kind"]: verdict for verdict in verdicts}
    if set(told) != set(KINDS) or any(verdict["refused"] for verdict in verdicts):
        return None
    return max(float(verdict["sharpe"]["p_value"]) for verdict in verdicts)
