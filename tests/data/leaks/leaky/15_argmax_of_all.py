# leak: close
# line: 9
# about: Sells at the top, which is known from the whole history.

import numpy as np


def targets(panel, params):
    top = np.nanargmax(panel.close, axis=0)
    row = np.arange(panel.n_bars)[:, None]
    return (row <= top) / panel.n_assets
