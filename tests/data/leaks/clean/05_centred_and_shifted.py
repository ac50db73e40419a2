# leak: none
# line: none
# about: A centred average, moved on by half its window.

import numpy as np
import pandas as pd


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    smooth = close.rolling(11, center=True).mean().shift(5)
    return np.nan_to_num(np.tanh(30.0 * (smooth / close - 1.0).to_numpy())) / panel.n_assets
