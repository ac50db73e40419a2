"""The whole gauntlet of a run: every kind of null world, break-even cost, capacity."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apps.backtests.kernel.costs import MAX_BPS
from apps.backtests.kernel.integrity.gauntlet import (
    USUAL,
    Nulls,
    Setting,
    check_kinds,
    check_worlds,
    judged,
    nulls_of,
    run_of,
    score_of,
    strictest,
)
from apps.backtests.kernel.integrity.gauntlet_bars import WORLDS, past_of
from apps.backtests.kernel.integrity.gauntlet_costs import SIZES, break_even, capacity
from apps.backtests.kernel.reports import compute
from apps.backtests.kernel.simulations import read_simulation
from apps.core.kernel.hashing import digest_json
from apps.strategies.kernel.interface import Strategy

Tell = Callable[[float, float, str], None]


def _quiet(done: float, total: float, note: str) -> None:
    """Tell nobody."""


def report(
    setting: Setting,
    digest: str,
    *,
    kinds: Sequence[str] = (),
    n_worlds: int = USUAL,
    tell: Tell = _quiet,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a run is worth against luck, and the figures of every world by kind.

    Parameters
    ----------
    digest
        The run's: seeds are made of it, so that the same run gives the same worlds.
    kinds
        Some of ``KINDS``; all of them without.
    tell
        Called with worlds done, worlds in all, and a note.

    Raises
    ------
    Invalid
        ``gauntlet.no_trades``, ``gauntlet.too_short``, ``gauntlet.kind``, ``gauntlet.worlds``.
    """
    kinds, n_worlds = check_kinds(kinds), check_worlds(n_worlds)
    total = float(len(kinds) * n_worlds)
    tell(0, total, "playing the run")
    decided, result = run_of(setting)
    real = score_of(result, setting.periods)
    past = past_of(setting.panel) if set(kinds) & set(WORLDS) else None
    found: list[Nulls] = []
    for number, kind in enumerate(kinds):

        def told(done: int, before: int = number * n_worlds, kind: str = kind) -> None:
            tell(before + done, total, f"{kind.replace('_', ' ')} worlds")

        found.append(nulls_of(setting, result, kind, n_worlds, digest, past=past, tell=told))
    tell(total, total, "costs and capacity")
    verdicts = [judged(real, nulls) for nulls in found]
    body: dict[str, Any] = {
        "run_digest": digest,
        "worlds": n_worlds,
        "real": {"sharpe": real.sharpe if math.isfinite(real.sharpe) else None}
        | {"total_return": real.total_return, "fills": real.fills},
        "verdicts": verdicts,
        "null_p_value": strictest(verdicts),
        "break_even": break_even(setting, decided),
        "capacity": capacity(setting, decided),
    }
    return body, {nulls.kind: _kept(nulls) for nulls in found}


def _kept(nulls: Nulls) -> dict[str, list[float | None]]:
    """Return the figures of the worlds, None for one that lost all."""
    return {
        "sharpe": [value if math.isfinite(value) else None for value in nulls.sharpe],
        "total_return": list(nulls.total_return),
    }


def cost_figure(body: Mapping[str, Any]) -> float:
    """Return the break-even cost of the Sharpe ratio as a gate reads it, bps.

    0 for a run that earns nothing anyhow, the largest cost played for one that always does.
    """
    return _bounded(body["break_even"]["sharpe"], "bps", MAX_BPS)


def size_figure(body: Mapping[str, Any]) -> float | None:
    """Return the money with which half of the Sharpe ratio is gone; None without volumes."""
    found = body["capacity"]
    return None if found["refused"] else _bounded(found["half"], "size", SIZES[-1])


def _bounded(found: Mapping[str, Any], name: str, most: float) -> float:
    ends = {"never": 0.0, "always": most}
    return float(ends.get(found["state"], found[name]))


def digest_of(body: Mapping[str, Any], nulls: Mapping[str, Any]) -> str:
    """Return the sha-256 of all that came out: the same run gives the same."""
    return digest_json({"result": body, "nulls": nulls})


def gauntlet_file(
    body: Mapping[str, Any],
    content: bytes,
    name: str,
    find: Callable[[str], Strategy],
    *,
    kinds: Sequence[str] = (),
    n_worlds: int = USUAL,
) -> dict[str, Any]:
    """Return the gauntlet of a request on the bars of a file; stored nowhere.

    Raises ``Invalid`` as ``simulate_file`` and ``report`` do.
    """
    panel, strategy, params, asked = read_simulation(body, content, name, find)
    digest = compute(panel, strategy, params, asked).digest
    setting = Setting(panel, strategy, params, asked)
    found, nulls = report(setting, digest, kinds=kinds, n_worlds=n_worlds)
    return {**found, "digest": digest_of(found, nulls), "nulls": nulls}
