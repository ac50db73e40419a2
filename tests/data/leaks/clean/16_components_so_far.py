# leak: none
# line: none
# about: Principal directions of the bars so far, fitted anew now and then.

import numpy as np


def targets(panel, params):
    logs = np.log(np.nan_to_num(panel.close, nan=1.0))
    moves = np.zeros(logs.shape)
    moves[1:] = np.diff(logs, axis=0)
    out = np.zeros(moves.shape)
    first = None
    for i in range(60, panel.n_bars):
        if i % 20 == 0:
            _, directions = np.linalg.eigh(moves[: i + 1].T @ moves[: i + 1])
            first = directions[:, -1]
        if first is not None:
            out[i] = -np.sign(moves[i] - first * (moves[i] @ first))
    return out / panel.n_assets
