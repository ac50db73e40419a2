# leak: close
# line: 17
# about: An exponential average run over the series, newest first.

import pandas as pd

TITLE = "Exponential average"
PARAMETERS = {
    "length": {"kind": "int", "default": 10, "low": 2, "high": 250, "unit": "bars"},
}
INPUTS = ("close",)
WARMUP = 0


def targets(panel, params):
    frame = pd.DataFrame(panel.close)
    average = frame[::-1].ewm(span=params["length"]).mean()[::-1]
    above = (average > frame).to_numpy()
    return above / panel.n_assets
