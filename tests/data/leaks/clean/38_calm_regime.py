# leak: none
# line: none
# about: The label of the bar itself.

import numpy as np


def targets(panel, params):
    calm = panel.extras["regime"] == 0.0
    return np.where(calm, 1.0, 0.2) / panel.n_assets
