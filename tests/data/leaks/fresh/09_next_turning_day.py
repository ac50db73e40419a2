# leak: close
# line: 17
# about: Looks up the turning day that follows where it wants the one before.

import numpy as np


def targets(panel, params):
    weights = np.zeros(panel.close.shape)
    rows = np.arange(panel.n_bars)
    for asset in range(panel.n_assets):
        price = np.nan_to_num(panel.close[:, asset])
        turns = np.flatnonzero(np.abs(np.diff(price, prepend=price[0])) > 0.02 * price)
        if not len(turns):
            continue
        place = np.searchsorted(turns, rows, side="left")
        level = price[turns[np.minimum(place, len(turns) - 1)]]
        weights[:, asset] = price < level
    return weights / panel.n_assets
