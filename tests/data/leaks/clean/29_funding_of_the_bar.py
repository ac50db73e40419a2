# leak: none
# line: none
# about: The rate that was settled within the bar.

import numpy as np


INPUTS = ["close", "funding"]


def targets(panel, params):
    rate = panel.extras["funding"]
    return np.where(np.isfinite(rate), -np.sign(rate), 0.0) / panel.n_assets
