# leak: funding
# line: 15
# about: Each bar is joined with the next funding after it.

import numpy as np
import pandas as pd


def targets(panel, params):
    out = np.zeros(panel.close.shape)
    left = pd.DataFrame({"at": panel.ts})
    for column in range(panel.n_assets):
        right = pd.DataFrame({"at": panel.ts, "rate": panel.extras["funding"][:, column]})
        right = right.iloc[::3]
        joined = pd.merge_asof(left, right, on="at", direction="forward")
        out[:, column] = -np.sign(np.nan_to_num(joined["rate"].to_numpy()))
    return out / panel.n_assets
