# leak: none
# line: none
# about: A label of five bars ahead, used five bars later.

import numpy as np
import pandas as pd


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    label = close.shift(-5) / close - 1.0
    known = label.shift(5)
    return np.nan_to_num(np.sign(known.to_numpy())) / panel.n_assets
