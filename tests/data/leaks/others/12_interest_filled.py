# leak: open_interest
# line: 16
# about: Long where the weekly reading of open interest grows; the days between are filled.

import numpy as np
import pandas as pd

TITLE = "Growing interest"
INPUTS = ("close", "open_interest")
WARMUP = 4


def targets(panel, params):
    interest = pd.DataFrame(panel.extras["open_interest"])
    interest[np.arange(panel.n_bars) % 5 != 4] = np.nan
    interest = interest.bfill()
    grown = (interest > interest.shift(3)).to_numpy()
    return grown / panel.n_assets
