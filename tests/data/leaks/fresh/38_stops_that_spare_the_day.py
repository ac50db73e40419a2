# leak: low
# line: 11
# about: Leaves out the days on which the stop would have been hit.

import numpy as np


def targets(panel, params):
    stop = panel.close * 0.985
    weights = np.ones(panel.close.shape)
    weights[:-1][panel.low[1:] < stop[:-1]] = 0.0
    return weights / panel.n_assets
