# leak: close
# line: 17
# about: Stands with the direction of the week, weeks being stretches of five bars.

import numpy as np
import pandas as pd

TITLE = "Week direction"
INPUTS = ("close",)
WARMUP = 0


def targets(panel, params):
    frame = pd.DataFrame(panel.close)
    weeks = np.arange(panel.n_bars) // 5
    first = frame.groupby(weeks).transform("first")
    last = frame.groupby(weeks).transform("last")
    rising = (last > first).to_numpy()
    return rising / np.maximum(rising.sum(axis=1, keepdims=True), 1)
