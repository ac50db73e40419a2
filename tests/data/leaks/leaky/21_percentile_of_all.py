# leak: open_interest
# line: 11
# about: The rank of today's open interest among all days.

import numpy as np
import pandas as pd


def targets(panel, params):
    interest = pd.DataFrame(panel.extras["open_interest"])
    place = interest.rank(pct=True)
    return np.nan_to_num(place.to_numpy() - 0.5) / panel.n_assets
