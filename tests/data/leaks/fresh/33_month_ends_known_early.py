# leak: close
# line: 12
# about: Each day gets the closing price of its month.

import numpy as np
import pandas as pd


def targets(panel, params):
    days = pd.to_datetime(panel.ts, unit="us")
    close = pd.DataFrame(panel.close, index=days)
    ends = close.groupby(days.year * 12 + days.month).transform("last")
    return (close < ends).to_numpy() / panel.n_assets
