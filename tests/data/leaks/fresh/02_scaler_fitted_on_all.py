# leak: close
# line: 15, 10
# about: A scaler with fit and transform learns from the whole history.

import numpy as np


class Scaler:
    def fit(self, values):
        self.mean = np.nanmean(values, axis=0)
        self.scale = np.nanstd(values, axis=0)
        return self

    def transform(self, values):
        return (values - self.mean) / self.scale


def targets(panel, params):
    returns = np.full(panel.close.shape, np.nan)
    returns[1:] = np.diff(np.log(panel.close), axis=0)
    scaled = Scaler().fit(returns).transform(returns)
    return -np.tanh(np.nan_to_num(scaled)) / panel.n_assets
