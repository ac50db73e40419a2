# leak: none
# line: none
# about: Each window is turned round, and ends at its bar.

import numpy as np
import pandas as pd


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    falling = np.arange(1.0, 9.0)

    def weighed(window):
        return (window[::-1] * falling).sum() / falling.sum()

    average = close.rolling(8).apply(weighed, raw=True)
    return (close > average).to_numpy() / panel.n_assets
