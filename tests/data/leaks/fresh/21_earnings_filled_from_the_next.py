# leak: eps
# line: 12
# about: Fills what is not published yet with the figure that follows.

import numpy as np
import pandas as pd


def targets(panel, params):
    eps = pd.DataFrame(panel.extras["eps"])
    news = eps.where(eps != eps.shift())
    whole = news.bfill().fillna(0.0)
    return np.tanh(whole.to_numpy()) / panel.n_assets
