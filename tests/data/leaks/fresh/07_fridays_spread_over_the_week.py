# leak: close
# line: 13
# about: Signals of Fridays, given to the days before by reindexing.

import numpy as np
import pandas as pd


def targets(panel, params):
    days = pd.to_datetime(panel.ts, unit="us")
    close = pd.DataFrame(panel.close, index=days)
    fridays = close[days.dayofweek == 4].pct_change(fill_method=None)
    daily = fridays.reindex(days, method="bfill")
    return (daily.to_numpy() > 0) / panel.n_assets
