"""Formulas: what one is, what it says of a universe, what the language has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.core.errors import Invalid
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import Moment, bounds, micros, moment_of
from apps.market.selectors import UniverseView, get_universe, read_panel
from apps.market.selectors.locations import locate
from apps.market.selectors.panels import FIGURES
from apps.strategies.kernel.expressions import EXTRAS, Node, lookback, parse, render
from apps.strategies.kernel.expressions.anatomy import vocabulary
from apps.strategies.kernel.expressions.inputs import inputs_of, refuse_inputs
from apps.strategies.kernel.expressions.previews import FEWEST_BARS, bars_allowed, preview

HORIZONS = (1, 60)
BUCKETS = (2, 20)
SERIES = ("coverage", "ic", "turnover", "buckets", "counts")
# Calendar time that bars of venues with sessions take up more than bars around the clock.
DAYS_OFF, NIGHTS_OFF = 1.6, 3.8
SECOND, DAY = 1_000_000, 86_400_000_000


def list_operators() -> list[dict[str, Any]]:
    """Return every name of the language, with how it is written and what it means."""
    return vocabulary()


def preview_expression(
    *,
    team_id: int,
    expression: str,
    universe: str,
    start: Moment = None,
    end: Moment = None,
    horizon: int = 1,
    buckets: int = 5,
) -> dict[str, Any]:
    """Return what a formula says of a universe, over the last bars asked for that it may show.

    Raises
    ------
    Invalid
        For a formula that does not read, a field the universe lacks (both at their column), too
        much work (``preview.too_costly``), too few bars (``panel.too_short``), numbers out of
        range.
    NotFound
        ``universe.unknown``.
    """
    node = parse(expression, EXTRAS)
    _check_range("horizon", horizon, HORIZONS)
    _check_range("buckets", buckets, BUCKETS)
    place = get_universe(team_id=team_id, name=universe)
    refuse_inputs(node, frozenset(FIGURES), f"universe {place.name}")
    window = _window(team_id, place, node, bounds(start, end))
    allowed = bars_allowed(node, len(place.symbols), horizon)
    panel, first, is_cut = window.read(allowed)
    found = preview(node, panel, min(panel.n_bars - first, allowed), horizon, buckets)
    return {
        "expression": render(node),
        "lookback": lookback(node),
        "universe": place.name,
        "timeframe": panel.timeframe,
        "symbols": panel.n_assets,
        "bars": len(found.ts),
        "is_cut": is_cut,
        "horizon": horizon,
        "survivorship": panel.survivorship,
        "figures": found.figures,
        "quantiles": {name: values.tolist() for name, values in found.quantiles.items()},
        **{name: getattr(found, name).tolist() for name in SERIES},
        "ts": [moment_of(int(ts)) for ts in found.ts],
        "highest": [{"symbol": name, "value": value} for name, value in found.highest],
        "lowest": [{"symbol": name, "value": value} for name, value in found.lowest],
    }


def _check_range(name: str, value: int, within: tuple[int, int]) -> None:
    if not within[0] <= value <= within[1]:
        message = f"{name} is {value}; choose a number from {within[0]} to {within[1]}."
        raise Invalid(message, code="preview.out_of_range", details={"field": name})


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of a universe's bars that is asked for; ``begun`` is its first stored bar."""

    team_id: int
    place: UniverseView
    node: Node
    start: int
    end: int
    begun: int

    def read(self, most: int) -> tuple[Panel, int, bool]:
        """Return bars with those looked back at, the first asked for, and if some are left out.

        No more are read than ``most`` and the lookback may need. Raises ``Invalid``.
        """
        back = lookback(self.node)
        wanted = self.start - self._span(back + 1)
        begin = max(wanted, self.end - self._span(most + back + 1))
        panel = read_panel(
            team_id=self.team_id,
            universe=self.place,
            start=moment_of(begin),
            end=moment_of(self.end),
            inputs=[name for name in inputs_of(self.node) if name in FIGURES],
            cached=True,
        )
        first = max(int(np.searchsorted(panel.ts, self.start)), back)
        if panel.n_bars - first < FEWEST_BARS:
            message = (
                f"The dates hold {max(panel.n_bars - first, 0)} bars after the {back} that the "
                f"formula looks back; a preview wants {FEWEST_BARS}. Choose other dates."
            )
            raise Invalid(message, code="panel.too_short", details={"field": "start"})
        left_out = begin > wanted and self.begun < begin
        return panel, first, left_out or panel.n_bars - first > most

    def _span(self, bars: int) -> int:
        """Return how many microseconds so many bars take up at most, holidays included."""
        nominal = bars * seconds_of(self.place.timeframe) * SECOND
        if self.place.calendar == "24/7" or self.place.timeframe in {"1w", "1mo"}:
            return nominal + 2 * DAY
        share = DAYS_OFF if self.place.timeframe == "1d" else DAYS_OFF * NIGHTS_OFF
        return int(nominal * share) + 10 * DAY


def _window(team_id: int, place: UniverseView, node: Node, asked: tuple[int, int]) -> _Window:
    found = locate(
        team_id=team_id,
        symbols=place.symbols,
        timeframe=place.timeframe,
        dataset_id=place.dataset_id,
    )
    firsts = [micros(item.first_at) for item in found if item.first_at is not None]
    lasts = [micros(item.last_at) for item in found if item.last_at is not None]
    end = min(asked[1], max(lasts, default=asked[1]))
    return _Window(team_id, place, node, asked[0], end, min(firsts, default=asked[0]))
