# leak: none
# line: none
# about: A sum from the end less the sum from the end after it: the bar itself.

import numpy as np


def targets(panel, params):
    sign = np.sign(np.nan_to_num(panel.close - panel.open)).astype(int)
    rest = np.cumsum(sign[::-1], axis=0)[::-1]
    after = np.vstack([rest[1:], np.zeros((1, panel.n_assets), int)])
    return (rest - after) / panel.n_assets
