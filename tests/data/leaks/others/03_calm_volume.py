# leak: volume
# line: 13
# about: Buys on days of unusually low volume.

import numpy as np

TITLE = "Calm volume"
INPUTS = ("close", "volume")
WARMUP = 0


def targets(panel, params):
    usual = np.nanmean(panel.volume, axis=0)
    quiet = panel.volume < 0.6 * usual
    return quiet / panel.n_assets
