# leak: eps_by_period
# line: 13
# about: Cheap by what was earned in the quarter behind.

import numpy as np

TITLE = "Earnings yield"
INPUTS = ("close", "eps_by_period")
WARMUP = 0


def targets(panel, params):
    eps = panel.extras["eps_by_period"]
    worth = eps / panel.close
    cheap = worth >= np.nanmean(worth, axis=1, keepdims=True)
    return cheap / np.maximum(cheap.sum(axis=1, keepdims=True), 1)
