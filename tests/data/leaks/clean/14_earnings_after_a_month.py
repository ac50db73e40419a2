# leak: none
# line: none
# about: Figures by the quarter, used thirty bars later.

import numpy as np


def targets(panel, params):
    known = np.full(panel.close.shape, np.nan)
    known[30:] = panel.extras["eps_by_period"][:-30]
    return np.tanh(np.nan_to_num(known)) / panel.n_assets
