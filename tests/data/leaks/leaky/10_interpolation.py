# leak: eps
# line: 12
# about: Between two announcements earnings are drawn as a line.

import numpy as np
import pandas as pd


def targets(panel, params):
    eps = pd.DataFrame(panel.extras["eps"])
    news = eps.where(eps.ne(eps.shift(1)))
    line = news.interpolate(method="linear")
    slope = line.diff(3).to_numpy()
    return np.nan_to_num(np.tanh(10.0 * slope)) / panel.n_assets
