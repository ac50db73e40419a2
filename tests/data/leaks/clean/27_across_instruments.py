# leak: none
# line: none
# about: Ranked among the instruments of the same day.

import numpy as np
import pandas as pd


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    place = (close / close.shift(20)).rank(axis=1, pct=True)
    return np.nan_to_num(place.to_numpy() - 0.5) / panel.n_assets
