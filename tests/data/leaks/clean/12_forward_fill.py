# leak: none
# line: none
# about: Earnings stand until the next announcement.

import numpy as np
import pandas as pd


def targets(panel, params):
    eps = pd.DataFrame(panel.extras["eps"])
    known = eps.where(eps.diff() != 0).ffill()
    return np.nan_to_num(np.tanh(known.to_numpy())) / panel.n_assets
