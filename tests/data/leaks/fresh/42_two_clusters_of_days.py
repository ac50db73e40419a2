# leak: close
# line: 13, 11
# about: Days are put into two clusters whose centres come from all days.

import numpy as np


def targets(panel, params):
    moves = np.zeros(panel.n_bars)
    moves[1:] = np.nan_to_num(np.diff(np.log(panel.close), axis=0)).mean(axis=1)
    centres = np.array([moves.min(), moves.max()])
    for _ in range(8):
        label = np.abs(moves[:, None] - centres).argmin(axis=1)
        centres = np.array([moves[label == k].mean() for k in (0, 1)])
    share = np.where(label == 1, 1.0, -1.0)
    return np.repeat(share[:, None], panel.n_assets, axis=1) / panel.n_assets
