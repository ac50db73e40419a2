# leak: close
# line: 15
# about: Against the first principal component of all returns.

import numpy as np

TITLE = "Market component"
INPUTS = ("close",)
WARMUP = 2


def targets(panel, params):
    returns = np.zeros(panel.close.shape)
    returns[1:] = np.nan_to_num(np.log(panel.close[1:] / panel.close[:-1]))
    _, _, axes = np.linalg.svd(returns, full_matrices=False)
    market = returns @ axes[0]
    beta = axes[0] / np.abs(axes[0]).sum()
    return -np.sign(market)[:, None] * beta[None, :]
