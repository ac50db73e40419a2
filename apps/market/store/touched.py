"""What a write changed beside bars: splits, dividends, figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Touched:
    """How many rows of one kind changed, and the bars of a series that are read differently.

    Without a series the instrument has figures and no bars.
    """

    instrument_id: int
    series_id: int | None
    kind: str
    count: int
    first_at: datetime
    last_at: datetime
