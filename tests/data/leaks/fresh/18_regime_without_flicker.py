# leak: regime
# line: 11
# about: Labels of regimes are cleaned with a median of both sides.

import numpy as np
import pandas as pd


def targets(panel, params):
    regime = pd.Series(panel.extras["regime"][:, 0])
    steady = regime.rolling(7, center=True, min_periods=1).median()
    share = np.where(steady.to_numpy() >= 1.0, 1.0, 0.25)
    return np.repeat(share[:, None], panel.n_assets, axis=1) / panel.n_assets
