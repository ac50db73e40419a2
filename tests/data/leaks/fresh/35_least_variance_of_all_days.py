# leak: close
# line: 14, 11
# about: Weights of least variance from the covariance of the whole history.

import numpy as np


def targets(panel, params):
    returns = np.zeros(panel.close.shape)
    returns[1:] = np.nan_to_num(np.diff(np.log(panel.close), axis=0))
    spread = np.cov(returns.T) + 1e-6 * np.eye(panel.n_assets)
    share = np.linalg.solve(spread, np.ones(panel.n_assets))
    share /= np.abs(share).sum()
    return np.tile(share, (panel.n_bars, 1))
