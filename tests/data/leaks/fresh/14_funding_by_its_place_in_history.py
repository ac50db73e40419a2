# leak: funding
# line: 11
# about: Ranks each rate among all rates of the instrument.

import numpy as np
import pandas as pd


def targets(panel, params):
    funding = pd.DataFrame(panel.extras["funding"])
    place = funding.rank(pct=True)
    return (0.5 - place.fillna(0.5).to_numpy()) / panel.n_assets
