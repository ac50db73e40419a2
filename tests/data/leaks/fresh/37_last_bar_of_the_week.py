# leak: ts
# line: 12
# about: Trades on the last bar of a week, which only the next bar can tell.

import numpy as np
import pandas as pd


def targets(panel, params):
    days = pd.to_datetime(panel.ts, unit="us")
    week = pd.Series(days.isocalendar().week.to_numpy() + 100 * days.isocalendar().year.to_numpy())
    is_last = ~week.duplicated(keep="last")
    held = np.repeat(is_last.to_numpy()[:, None], panel.n_assets, axis=1)
    return held / panel.n_assets
