# leak: close
# line: 12
# about: Means by weekday are taken over all weeks, also those to come.

import numpy as np
import pandas as pd


def targets(panel, params):
    days = pd.to_datetime(panel.ts, unit="us")
    returns = pd.DataFrame(panel.close, index=days).pct_change(fill_method=None)
    habit = returns.groupby(days.dayofweek).transform("mean")
    return np.sign(np.nan_to_num(habit.to_numpy())) / panel.n_assets
