"""Deployments are readers of the bars they decide on: a revision of those finds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from apps.market import services as market
from apps.market.kernel.bars import FIELDS, Panel
from apps.market.kernel.periods import moment_of
from apps.strategies import selectors as strategies
from apps.strategies.kernel.interface import inputs_of
from apps.trading.services.bars import Bar, Sleeve


def note_readings(panel: Panel, bar: Bar, decided: Sequence[Sleeve], now: datetime) -> None:
    """Note up to which bar each deployment that decided has read, within the step."""
    if not panel.series_ids:
        return
    begins = moment_of(int(panel.ts[0]))
    market.go_on_reading(
        readings=[
            market.Reading(
                subject=f"deployment:{sleeve.row.pk}",
                team_id=sleeve.row.team_id,
                series_ids=tuple(panel.series_ids[column] for column in sleeve.columns.tolist()),
                first_at=max(sleeve.row.history_from, begins),
                last_at=bar.closed_at - timedelta.resolution,
                reads=tuple(market.reads_of(panel.price_mode, _figures(sleeve))),
            )
            for sleeve in decided
        ],
        now=now,
    )


def _figures(sleeve: Sleeve) -> list[str]:
    strategy = strategies.get_strategy(sleeve.row.strategy, sleeve.row.team_id)
    wanted = inputs_of(strategy, sleeve.row.params)
    return [name for name in wanted if name not in FIELDS]
