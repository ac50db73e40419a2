# leak: none
# line: none
# about: In at a new high, out at a new low, else as it was.

import numpy as np


def targets(panel, params):
    held = np.zeros(panel.n_assets)
    out = np.zeros(panel.close.shape)
    for i in range(20, panel.n_bars):
        before = panel.close[i - 20 : i]
        held = np.where(panel.close[i] > before.max(axis=0), 1.0, held)
        held = np.where(panel.close[i] < before.min(axis=0), 0.0, held)
        out[i] = held
    return out / panel.n_assets
