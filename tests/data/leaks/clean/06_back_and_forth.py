# leak: none
# line: none
# about: Turned round twice, and summed forward.

import numpy as np


def targets(panel, params):
    close = np.nan_to_num(panel.close)
    turned = close[::-1][::-1]
    top = np.maximum.accumulate(turned, axis=0)
    return (turned >= 0.95 * top) * (turned > 0) / panel.n_assets
