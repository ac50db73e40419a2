# leak: none
# line: none
# about: The rank among the days so far.

import numpy as np
import pandas as pd


def targets(panel, params):
    interest = pd.DataFrame(panel.extras["open_interest"])
    return np.nan_to_num(interest.expanding().rank(pct=True).to_numpy() - 0.5) / panel.n_assets
