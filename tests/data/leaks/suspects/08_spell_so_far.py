# leak: none
# line: none
# about: How long the regime has lasted up to the day.

import numpy as np
import pandas as pd


def targets(panel, params):
    regime = pd.Series(panel.extras["regime"][:, 0])
    spell = (regime != regime.shift()).cumsum()
    lasted = regime.groupby(spell).cumcount()
    share = (lasted.to_numpy() >= 3).astype(float)
    return np.repeat(share[:, None], panel.n_assets, axis=1) / panel.n_assets
