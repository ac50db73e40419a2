# leak: close
# line: 14
# about: Momentum less that of the sector, over as many days as there are.

import pandas as pd

TITLE = "Against the sector"
INPUTS = ("close",)
WARMUP = 11


def targets(panel, params):
    frame = pd.DataFrame(panel.close).pct_change(10, fill_method=None)
    typical = frame.mean()
    strong = (frame > typical).to_numpy()
    return strong / panel.n_assets
