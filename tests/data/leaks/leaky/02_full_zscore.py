# leak: close
# line: 12
# about: The z-score takes mean and spread of the whole history.

import numpy as np


def targets(panel, params):
    moves = np.zeros(panel.close.shape)
    moves[1:] = panel.close[1:] / panel.close[:-1] - 1.0
    moves = np.nan_to_num(moves)
    z = (moves - moves.mean(axis=0)) / moves.std(axis=0)
    return np.clip(-z, -1.0, 1.0) / panel.n_assets
