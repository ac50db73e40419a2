# leak: close
# line: 11
# about: Tomorrow's return decides today's side.

import numpy as np
import pandas as pd


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    tomorrow = close.pct_change().shift(-1)
    side = np.sign(tomorrow.to_numpy())
    return np.nan_to_num(side) / panel.n_assets
