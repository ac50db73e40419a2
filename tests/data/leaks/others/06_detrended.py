# leak: close
# line: 18
# about: Below its own line: buy; above: stand aside.

import numpy as np

TITLE = "Under the line"
INPUTS = ("close",)
WARMUP = 0


def targets(panel, params):
    days = np.arange(panel.n_bars)
    under = np.zeros(panel.close.shape)
    for asset in range(panel.n_assets):
        price = panel.close[:, asset]
        known = np.isfinite(price)
        line = np.polyfit(days[known], price[known], 2)
        under[:, asset] = price < np.polyval(line, days)
    return under / panel.n_assets
