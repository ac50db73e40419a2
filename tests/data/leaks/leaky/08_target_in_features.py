# leak: close
# line: 15
# about: The label that is to be learnt is one of the columns.

import numpy as np
import pandas as pd


HORIZON = 5


def features(close):
    table = {}
    table["momentum"] = close / close.shift(10) - 1.0
    table["label"] = close.shift(-HORIZON) / close - 1.0
    return table


def targets(panel, params):
    table = features(pd.DataFrame(panel.close))
    score = sum(np.nan_to_num(one.to_numpy()) for one in table.values())
    return np.tanh(score) / panel.n_assets
