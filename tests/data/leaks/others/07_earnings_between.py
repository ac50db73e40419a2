# leak: eps
# line: 21
# about: Buys where earnings, drawn as a line from report to report, rise.

import numpy as np

TITLE = "Rising earnings"
INPUTS = ("close", "eps")
WARMUP = 0


def targets(panel, params):
    eps = panel.extras["eps"]
    rising = np.zeros(panel.close.shape)
    bars = np.arange(panel.n_bars)
    for asset in range(panel.n_assets):
        known = np.isfinite(eps[:, asset])
        changed = known & np.r_[True, eps[1:, asset] != eps[:-1, asset]]
        stamps = np.flatnonzero(changed)
        if len(stamps) > 1:
            line = np.interp(bars, stamps, eps[stamps, asset])
            rising[1:, asset] = line[1:] > line[:-1]
    return rising / panel.n_assets
