# leak: none
# line: none
# about: A hedge fitted on the past, and its spread's own past.

import numpy as np
import pandas as pd


def targets(panel, params):
    close = pd.DataFrame(np.log(panel.close))
    one, two = close[0], close[1]
    beta = one.rolling(60).cov(two) / two.rolling(60).var()
    spread = one - beta.shift(1) * two
    z = (spread - spread.rolling(40).mean()) / spread.rolling(40).std()
    out = np.zeros(panel.close.shape)
    side = np.clip(np.nan_to_num(z.to_numpy()), -2.0, 2.0) / 4.0
    out[:, 0], out[:, 1] = -side, side
    return out
