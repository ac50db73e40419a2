# leak: close
# line: 16
# about: Momentum against the price some bars away.

import numpy as np

TITLE = "Lagged momentum"
PARAMETERS = {
    "length": {"kind": "int", "default": 5, "low": 2, "high": 250, "unit": "bars"},
}
INPUTS = ("close",)
WARMUP = 0


def targets(panel, params):
    away = np.roll(panel.close, -params["length"], axis=0)
    strong = panel.close < away
    return strong / panel.n_assets
