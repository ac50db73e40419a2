# leak: close
# line: 13
# about: Each month's mean stands at every day of the month.

import numpy as np
import pandas as pd


def targets(panel, params):
    days = pd.DatetimeIndex(panel.ts.astype("datetime64[us]"))
    close = pd.DataFrame(panel.close, index=days)
    month = days.year * 12 + days.month
    mean = close.groupby(month).transform("mean")
    score = (mean / close - 1.0).to_numpy()
    return np.nan_to_num(np.tanh(20.0 * score)) / panel.n_assets
