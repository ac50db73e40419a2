# leak: regime
# line: 14
# about: Holds all while the regime is the one that is most usual.

import numpy as np

TITLE = "Usual regime"
INPUTS = ("close", "regime")
WARMUP = 0


def targets(panel, params):
    label = panel.extras["regime"]
    kinds, counts = np.unique(label[:, 0], return_counts=True)
    usual = kinds[counts.argmax()]
    return (label == usual) / panel.n_assets
