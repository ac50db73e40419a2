# leak: regime
# line: 12
# about: Trades only in spells of a regime that will have lasted.

import numpy as np
import pandas as pd


def targets(panel, params):
    regime = pd.Series(panel.extras["regime"][:, 0])
    spell = (regime != regime.shift()).cumsum()
    lasts = regime.groupby(spell).transform("size")
    share = (lasts > 10).to_numpy().astype(float)
    return np.repeat(share[:, None], panel.n_assets, axis=1) / panel.n_assets
