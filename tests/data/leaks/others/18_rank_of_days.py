# leak: close
# line: 14
# about: Buys an instrument on the days that rank lowest by their return.

import pandas as pd

TITLE = "Rank of days"
INPUTS = ("close",)
WARMUP = 2


def targets(panel, params):
    returns = pd.DataFrame(panel.close).pct_change(fill_method=None)
    rank = returns.rank(pct=True)
    low = (rank < 0.2).to_numpy()
    return low / panel.n_assets
