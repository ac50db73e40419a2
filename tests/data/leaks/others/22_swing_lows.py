# leak: low
# line: 16
# about: Buys a low that stands out among its neighbours, holds for ten bars.

import numpy as np

TITLE = "Swing lows"
INPUTS = ("low", "close")
WARMUP = 3


def targets(panel, params):
    low = panel.low
    hold = np.zeros(low.shape)
    for bar in range(2, panel.n_bars - 2):
        around = low[bar - 2 : bar + 3]
        turn = low[bar] <= around.min(axis=0)
        hold[bar : bar + 10][:, turn] = 1.0
    return hold / panel.n_assets
