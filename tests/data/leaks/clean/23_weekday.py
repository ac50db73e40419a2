# leak: none
# line: none
# about: Mondays are bought, Fridays sold.

import numpy as np


def targets(panel, params):
    day = (panel.ts // 86_400_000_000 + 3) % 7
    out = np.full(panel.close.shape, np.nan)
    out[day == 0] = 1.0 / panel.n_assets
    out[day == 4] = 0.0
    return out
