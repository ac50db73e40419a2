# leak: none
# line: none
# about: Mean and spread grow with the history.

import numpy as np
import pandas as pd


def targets(panel, params):
    moves = pd.DataFrame(panel.close).pct_change(fill_method=None)
    z = (moves - moves.expanding(20).mean()) / moves.expanding(20).std()
    return np.nan_to_num(np.clip(-z.to_numpy(), -1.0, 1.0)) / panel.n_assets
