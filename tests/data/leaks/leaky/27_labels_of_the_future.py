# leak: regime
# line: 10
# about: The regime of a week later is read.

import numpy as np


def later(values, bars):
    out = np.zeros(values.shape)
    out[:-bars] = values[bars:]
    return out


def targets(panel, params):
    calm = later(panel.extras["regime"], 5) == 0.0
    return calm / panel.n_assets
