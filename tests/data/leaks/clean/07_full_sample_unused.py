# leak: none
# line: none
# about: A full-sample mean is computed, and multiplied by nothing.

import numpy as np


def targets(panel, params):
    whole = np.nanmean(panel.close, axis=0)
    last = panel.close[-1]
    trend = np.zeros(panel.close.shape)
    trend[20:] = panel.close[20:] > panel.close[:-20]
    note = {"mean": whole, "last": last}
    return trend / panel.n_assets if len(note) == 2 else trend * 0.0
