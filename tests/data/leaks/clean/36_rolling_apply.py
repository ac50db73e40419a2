# leak: none
# line: none
# about: A function of its own on each window of the past.

import numpy as np
import pandas as pd


def shape(window):
    return (window[-1] - window.min()) / (window.max() - window.min() + 1e-9)


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    place = close.rolling(10).apply(shape, raw=True)
    return np.nan_to_num(place.to_numpy() - 0.5) / panel.n_assets
