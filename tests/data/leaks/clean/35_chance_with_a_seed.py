# leak: none
# line: none
# about: Drawn by chance, from a seed and bar by bar.

import numpy as np


def targets(panel, params):
    out = np.zeros(panel.close.shape)
    for i in range(panel.n_bars):
        drawn = np.random.default_rng(i).random(panel.n_assets)
        out[i] = drawn > 0.5
    return out / panel.n_assets
