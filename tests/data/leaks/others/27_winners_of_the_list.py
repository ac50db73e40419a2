# leak: close
# line: 13
# about: Equal weights in the better half of the instruments.

import numpy as np

TITLE = "Better half"
INPUTS = ("close",)
WARMUP = 0


def targets(panel, params):
    growth = panel.close[-1] / panel.close[0]
    good = growth >= np.nanmedian(growth)
    row = good / max(good.sum(), 1)
    return np.tile(row, (panel.n_bars, 1))
