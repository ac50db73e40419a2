# leak: none
# line: none
# about: The three best by return so far.

import numpy as np


def targets(panel, params):
    close = np.nan_to_num(panel.close, nan=1.0)
    gain = close / close[0]
    order = np.argsort(np.argsort(-gain, axis=1), axis=1)
    return (order < 3) / 3.0
