# leak: funding
# line: 10
# about: Takes a position for the rate that will be settled next.

import numpy as np


def targets(panel, params):
    due = np.zeros(panel.close.shape)
    due[:-1] = np.nan_to_num(panel.extras["funding"])[1:]
    return -np.sign(due) / panel.n_assets
