# leak: close
# line: 12
# about: Principal directions are fitted on all returns.

import numpy as np


def targets(panel, params):
    logs = np.log(np.nan_to_num(panel.close, nan=1.0))
    moves = np.zeros(logs.shape)
    moves[1:] = np.diff(logs, axis=0)
    spread = moves.T @ moves
    _, directions = np.linalg.eigh(spread)
    factor = moves @ directions[:, -1:]
    rest = moves - factor @ directions[:, -1:].T
    return np.clip(-rest * 30.0, -1.0, 1.0) / panel.n_assets
