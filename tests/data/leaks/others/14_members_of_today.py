# leak: member
# line: 14
# about: Equal weights in the members of the index.

import numpy as np

TITLE = "Members"
INPUTS = ("close", "member")
WARMUP = 0


def targets(panel, params):
    member = panel.extras["member"]
    today = np.nan_to_num(member[-1]) == 1
    held = np.isfinite(panel.close) & today
    return held / np.maximum(held.sum(axis=1, keepdims=True), 1)
