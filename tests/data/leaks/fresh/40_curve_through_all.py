# leak: close
# line: 17, 16
# about: Distance from a cubic laid through all prices.

import numpy as np


def targets(panel, params):
    t = np.linspace(-1.0, 1.0, 320)[: panel.n_bars]
    weights = np.zeros(panel.close.shape)
    for asset in range(panel.n_assets):
        price = panel.close[:, asset]
        there = np.isfinite(price)
        if there.sum() < 10:
            continue
        curve = np.polyfit(t[there], price[there], 3)
        fair = np.polyval(curve, t)
        weights[:, asset] = price < fair
    return weights / panel.n_assets
