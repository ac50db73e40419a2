# leak: close
# line: 11, 9
# about: Holds until the day of the highest close of all.

import numpy as np


def targets(panel, params):
    top = np.nan_to_num(panel.close).argmax(axis=0)
    rows = np.arange(panel.n_bars)[:, None]
    return (rows < top) / panel.n_assets
