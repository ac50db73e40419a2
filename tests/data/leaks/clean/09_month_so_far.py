# leak: none
# line: none
# about: Each month's mean up to the day.

import numpy as np
import pandas as pd


def targets(panel, params):
    days = pd.DatetimeIndex(panel.ts.astype("datetime64[us]"))
    close = pd.DataFrame(panel.close, index=days)
    month = np.asarray(days.year * 12 + days.month)
    groups = close.groupby(month)
    mean = groups.cumsum() / (groups.cumcount().to_numpy()[:, None] + 1)
    return np.nan_to_num(np.tanh(20.0 * (mean / close - 1.0).to_numpy())) / panel.n_assets
