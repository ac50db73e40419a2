"""What a book holds, with the past of it on which a model of positions is graded."""

from __future__ import annotations

import numpy as np

from apps.core.errors import LabError
from apps.risk.kernel.calendars import common_sessions
from apps.risk.kernel.grades import POSITION_DAYS, Positions
from apps.risk.kernel.grades_forecasts import MIN_DAYS, MIN_WINDOW, WINDOW
from apps.risk.kernel.samples import Rows
from apps.risk.selectors.stress import get_ground

# Bars that are looked through for as many days that all positions share.
READ = 2 * (POSITION_DAYS + WINDOW)


def find_positions(*, team_id: int, subject: str) -> Positions | None:
    """Return the shares a book holds now and what they returned until then.

    None where there is nothing to model by position: nothing held, one without a price, or too
    few days that all of it traded.
    """
    try:
        ground = get_ground(team_id=team_id, subject=subject)
        rows = slice(max(0, ground.rows - READ), ground.rows)
        prices = {
            name: (ground.ts[rows], ground.closes[name][rows])
            for name, share in ground.book.weights.items()
            if share
        }
        joint = common_sessions(prices)
    except (LabError, KeyError):
        return None
    kept = joint.returns[-(POSITION_DAYS + WINDOW) :]
    if len(kept) < MIN_WINDOW + MIN_DAYS:
        return None
    weights = np.array([float(ground.book.weights[name]) for name in joint.names])
    return Positions(Rows(joint.names, kept, 0), weights)
