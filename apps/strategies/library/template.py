"""A template to copy: a working strategy, held to the contract like the others, in no list.

Four places make a member of the library: its module; its line in ``STRATEGY_LIBRARY``
(``quantsite/settings/plugs.py``); its variants in ``tests/contract/test_strategy_library.py``,
which hold it to the interface's promises on real bars; its line in ``docs/STRATEGIES.md``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel.indicators.own import ta
from apps.strategies.kernel.positions import hold
from apps.strategies.library.base import (
    Bars,
    Features,
    Floats,
    Parameter,
    Params,
    SingleInstrument,
    Spec,
)


class Template(SingleInstrument):
    """Long while the close is above its average.

    Source: author (year), title, journal: where the idea was published.

    Notes
    -----
    Say what is computed from what, what happens at a tie, and every number that the source leaves
    open: each is a parameter with a range, a default and a unit. A strategy that looks across
    instruments implements ``prepare``, ``decide`` and ``targets`` itself: see ``pairs``. Stops and
    take profits that are orders of their own come with a parameter ``protect``: see
    ``donchian_breakout``; any other order is an ``Intents`` that ``decide`` answers with.
    """

    spec = Spec(
        name="template",
        title="Template",
        about="Long while the close is above its average, else flat.",
        source="Faber (2007), A Quantitative Approach to Tactical Asset Allocation, JWM 9(4)",
        parameters=(Parameter("period", "int", 200, 2, 2000, "bars", "Length of the average"),),
        inputs=("close",),
    )

    def warmup(self, params: Params) -> int:
        """Return how many bars must have closed; raise ``Invalid`` for numbers at odds."""
        return int(params["period"])

    def rules(self, bars: Bars, params: Params) -> Features:
        """Return causal features of one instrument's own bars, ``position`` among them."""
        average = ta("SMA", bars.close, timeperiod=params["period"])
        above = is_above(bars.close, average)
        below = is_above(average, bars.close)
        position = hold(above.astype(np.float64), below, np.zeros(len(bars), np.bool_))
        return {"average": average, "position": position}


def is_above(one: Floats, other: Floats) -> NDArray[np.bool_]:
    """Tell where one stands above the other: a rule is a small pure function with its own test."""
    return one > other
