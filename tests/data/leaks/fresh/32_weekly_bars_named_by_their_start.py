# leak: close
# line: 13, 12
# about: The last price of a week stands at the week's first day.

import numpy as np
import pandas as pd


def targets(panel, params):
    days = pd.to_datetime(panel.ts, unit="us")
    close = pd.DataFrame(panel.close, index=days)
    weekly = close.resample("W-SUN", label="left").last()
    known = weekly.reindex(days, method="ffill")
    return (panel.close < known.to_numpy()) / panel.n_assets
