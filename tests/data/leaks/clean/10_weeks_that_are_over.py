# leak: none
# line: none
# about: Weekly closes carry the day on which they are known.

import numpy as np
import pandas as pd


def targets(panel, params):
    days = pd.DatetimeIndex(panel.ts.astype("datetime64[us]"))
    close = pd.DataFrame(panel.close, index=days)
    weekly = close.resample("W-FRI", label="right", closed="right").last()
    known = weekly.reindex(days, method="ffill")
    return np.nan_to_num(np.tanh(20.0 * (known / close - 1.0).to_numpy())) / panel.n_assets
