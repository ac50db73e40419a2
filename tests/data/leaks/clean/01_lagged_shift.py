# leak: none
# line: none
# about: shift(1) looks back.

import numpy as np
import pandas as pd


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    return np.nan_to_num(np.sign(close.pct_change().shift(1).to_numpy())) / panel.n_assets
