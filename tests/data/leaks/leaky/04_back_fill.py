# leak: eps
# line: 12
# about: Earnings are filled backwards from the next announcement.

import numpy as np
import pandas as pd


def targets(panel, params):
    eps = pd.DataFrame(panel.extras["eps"])
    changed = eps.where(eps.diff() != 0)
    known = changed.bfill()
    score = known.to_numpy()
    return np.nan_to_num(np.tanh(score)) / panel.n_assets
