# leak: none
# line: none
# about: Figures by the quarter, used 25 bars later: the very bar they are published.

import numpy as np


def targets(panel, params):
    earned = np.full(panel.close.shape, np.nan)
    earned[25:] = panel.extras["eps_by_period"][:-25]
    return np.tanh(np.nan_to_num(earned)) / panel.n_assets
