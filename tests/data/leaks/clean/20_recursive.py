# leak: none
# line: none
# about: An average that goes from bar to bar.

import numpy as np


PARAMETERS = {"span": {"kind": "int", "default": 20, "low": 2, "high": 400}}


def targets(panel, params):
    share = 2.0 / (params["span"] + 1.0)
    out = np.zeros(panel.close.shape)
    level = np.nan_to_num(panel.close[0], nan=0.0)
    for i in range(1, panel.n_bars):
        price = np.where(np.isfinite(panel.close[i]), panel.close[i], level)
        level = share * price + (1.0 - share) * level
        out[i] = price > level
    return out / panel.n_assets
