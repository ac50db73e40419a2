# leak: low
# line: 17
# about: Takes a long only where the next bars do not fall through the stop.

import pandas as pd

TITLE = "Clean entries"
PARAMETERS = {
    "length": {"kind": "int", "default": 3, "low": 2, "high": 250, "unit": "bars"},
}
INPUTS = ("low", "close")
WARMUP = 0


def targets(panel, params):
    n = params["length"]
    depth = pd.DataFrame(panel.low)[::-1].rolling(n, min_periods=1).min()[::-1]
    safe = (depth > panel.close * 0.98).to_numpy()
    return safe / panel.n_assets
