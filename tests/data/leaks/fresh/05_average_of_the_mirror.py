# leak: close
# line: 11
# about: An exponential average that runs from the newest bar to the oldest.

import numpy as np
import pandas as pd


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    slow = close.iloc[::-1].ewm(span=8).mean().iloc[::-1]
    return (panel.close < slow.to_numpy()) / panel.n_assets
