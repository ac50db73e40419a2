# leak: close
# line: 11
# about: Asks for the change against the bar that comes after.

import numpy as np
import pandas as pd


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    change = close.pct_change(-1, fill_method=None)
    return np.where(change.to_numpy() < 0, 1.0, 0.0) / panel.n_assets
