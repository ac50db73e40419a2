# leak: open_interest
# line: 11
# about: A difference of minus one bar.

import numpy as np
import pandas as pd


def targets(panel, params):
    interest = pd.DataFrame(panel.extras["open_interest"])
    change = -interest.diff(-1)
    return np.sign(np.nan_to_num(change.to_numpy())) / panel.n_assets
