# leak: none
# line: none
# about: Members of the day before, and never those of the last day.

import numpy as np
import pandas as pd


def targets(panel, params):
    member = pd.DataFrame(panel.extras["member"])
    yesterday = member.shift(1).fillna(0.0).to_numpy()
    count = np.maximum(yesterday.sum(axis=1, keepdims=True), 1.0)
    return yesterday / count
