# leak: close
# line: 13, 12
# about: Positions are scaled to the volatility of the whole history.

import numpy as np


def targets(panel, params):
    returns = np.zeros(panel.close.shape)
    returns[1:] = np.nan_to_num(np.diff(np.log(panel.close), axis=0))
    trend = np.sign(returns)
    risk = returns.std()
    return trend * 0.002 / risk
