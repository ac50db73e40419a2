# leak: close
# line: 12
# about: Weekly closes carry the label of the week's first day.

import numpy as np
import pandas as pd


def targets(panel, params):
    days = pd.DatetimeIndex(panel.ts.astype("datetime64[us]"))
    close = pd.DataFrame(panel.close, index=days)
    weekly = close.resample("W-MON", label="left", closed="left").last()
    known = weekly.reindex(days, method="ffill")
    score = (known / close - 1.0).to_numpy()
    return np.nan_to_num(np.tanh(20.0 * score)) / panel.n_assets
