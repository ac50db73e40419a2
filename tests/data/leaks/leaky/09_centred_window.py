# leak: close
# line: 15
# about: The average is centred: half of its window lies ahead.

import numpy as np
import pandas as pd


PARAMETERS = {"window": {"kind": "int", "default": 11, "low": 3, "high": 99}}
WARMUP = "window"


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    smooth = close.rolling(params["window"], center=True).mean()
    score = (smooth / close - 1.0).to_numpy()
    return np.nan_to_num(np.tanh(30.0 * score)) / panel.n_assets
