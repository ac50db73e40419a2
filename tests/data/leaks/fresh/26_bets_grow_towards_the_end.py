# leak: length
# line: 9
# about: The share rises evenly from the first bar to the last.

import numpy as np


def targets(panel, params):
    share = np.linspace(0.0, 1.0, panel.n_bars)
    up = panel.close > panel.open
    return up * share[:, None] / panel.n_assets
