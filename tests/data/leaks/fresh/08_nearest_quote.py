# leak: close
# line: 14
# about: Joins each day with the nearest weekly figure, which may be ahead.

import numpy as np
import pandas as pd


def targets(panel, params):
    days = pd.DataFrame({"at": pd.to_datetime(panel.ts, unit="us")})
    weights = np.zeros(panel.close.shape)
    for asset in range(panel.n_assets):
        known = pd.DataFrame({"at": days["at"], "level": panel.close[:, asset]})[::7].dropna()
        joined = pd.merge_asof(days, known, on="at", direction="nearest")
        weights[:, asset] = panel.close[:, asset] < joined["level"].to_numpy()
    return weights / panel.n_assets
