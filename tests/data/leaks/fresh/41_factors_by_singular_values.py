# leak: close
# line: 11
# about: The first left singular vector of all returns.

import numpy as np


def targets(panel, params):
    returns = np.zeros(panel.close.shape)
    returns[1:] = np.nan_to_num(np.diff(np.log(panel.close), axis=0))
    left, _, right = np.linalg.svd(returns, full_matrices=False)
    factor = left[:, 0] * np.sign(right[0].sum())
    return np.sign(factor)[:, None] * np.ones(panel.n_assets) / panel.n_assets
