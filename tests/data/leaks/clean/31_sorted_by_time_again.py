# leak: none
# line: none
# about: Sorted downwards for a look, and back before use.

import numpy as np
import pandas as pd


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    newest = close.sort_index(ascending=False)
    newest.head(5)
    back = newest.sort_index()
    return np.nan_to_num(np.sign(back.diff(3).to_numpy())) / panel.n_assets
