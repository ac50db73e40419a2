# leak: none
# line: none
# about: The month's first bar, known by the date of the bar before.

import numpy as np


def targets(panel, params):
    month = panel.ts.astype("datetime64[us]").astype("datetime64[M]")
    is_first = np.zeros(panel.n_bars, bool)
    is_first[1:] = month[1:] != month[:-1]
    out = np.full(panel.close.shape, np.nan)
    out[is_first] = 1.0 / panel.n_assets
    return out
