# leak: member
# line: 11
# about: Holds members that will be members for ten more days.

import numpy as np
import pandas as pd


def targets(panel, params):
    member = pd.DataFrame(panel.extras["member"])
    stays = member[::-1].rolling(10, min_periods=1).min()[::-1]
    held = np.nan_to_num(stays.to_numpy())
    return held / panel.n_assets
