# leak: close
# line: 13
# about: Weekly levels joined by straight lines.

import numpy as np
import pandas as pd


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    thin = close.copy()
    thin[np.arange(len(close)) % 5 != 0] = np.nan
    line = thin.interpolate(limit_area="inside")
    return (panel.close < line.to_numpy()) / panel.n_assets
