# leak: none
# line: none
# about: The highest close of the week up to the day, by groups.

import numpy as np
import pandas as pd


def targets(panel, params):
    days = pd.to_datetime(panel.ts, unit="us")
    close = pd.DataFrame(panel.close, index=days)
    monday = days - pd.to_timedelta(days.dayofweek, unit="D")
    best = close.groupby(monday).cummax()
    return (close >= best).to_numpy() / panel.n_assets
