# leak: none
# line: none
# about: What is in the index on that day.

import numpy as np


def targets(panel, params):
    member = panel.extras["member"] == 1.0
    return member / np.maximum(member.sum(axis=1, keepdims=True), 1)
