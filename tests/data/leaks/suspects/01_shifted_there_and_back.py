# leak: none
# line: none
# about: One bar ahead, then two bars behind.

import numpy as np
import pandas as pd


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    later = close.shift(-1)
    before = later.shift(2)
    return (close > before).to_numpy() / panel.n_assets
