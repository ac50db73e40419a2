# leak: none
# line: none
# about: Fills backwards, then leaves out every day that was filled so.

import numpy as np
import pandas as pd


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    filled = close.bfill()
    known = filled.where(close.notna())
    moved = known / known.shift(3) - 1.0
    return np.sign(np.nan_to_num(moved.to_numpy())) / panel.n_assets
