# leak: close
# line: 13, 18
# about: The helper lags; it is called with a negative lag.

import numpy as np


def lagged(values, bars):
    out = np.full(values.shape, np.nan)
    if bars >= 0:
        out[bars:] = values[: len(values) - bars]
    else:
        out[:bars] = values[-bars:]
    return out


def targets(panel, params):
    later = lagged(panel.close, -2)
    return (later > panel.close) / panel.n_assets
