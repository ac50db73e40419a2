# leak: none
# line: none
# about: Each bar is joined with the last funding before it.

import numpy as np
import pandas as pd


def targets(panel, params):
    out = np.zeros(panel.close.shape)
    left = pd.DataFrame({"at": panel.ts})
    for column in range(panel.n_assets):
        right = pd.DataFrame({"at": panel.ts, "rate": panel.extras["funding"][:, column]})
        joined = pd.merge_asof(left, right.iloc[::3], on="at", direction="backward")
        out[:, column] = -np.sign(np.nan_to_num(joined["rate"].to_numpy()))
    return out / panel.n_assets
