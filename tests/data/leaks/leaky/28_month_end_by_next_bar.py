# leak: ts
# line: 11
# about: The month's end is known by the date of the next bar.

import numpy as np


def targets(panel, params):
    month = panel.ts.astype("datetime64[us]").astype("datetime64[M]")
    is_last = np.zeros(panel.n_bars, bool)
    is_last[:-1] = month[1:] != month[:-1]
    out = np.full(panel.close.shape, np.nan)
    out[is_last] = 1.0 / panel.n_assets
    return out
