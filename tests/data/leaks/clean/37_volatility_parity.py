# leak: none
# line: none
# about: Weights by the spread of sixty bars so far.

import numpy as np
import pandas as pd


def targets(panel, params):
    moves = pd.DataFrame(panel.close).pct_change(fill_method=None)
    calm = 1.0 / moves.rolling(60, min_periods=20).std()
    share = calm.div(calm.sum(axis=1), axis=0)
    return share.fillna(0.0).to_numpy()
