# leak: ts
# line: 10
# about: Sells when the next bar is more than a day away.

import numpy as np


def targets(panel, params):
    gap = np.zeros(panel.n_bars)
    gap[:-1] = np.diff(panel.ts) / 86_400_000_000
    held = np.repeat((gap <= 1.0)[:, None], panel.n_assets, axis=1)
    return held / panel.n_assets
