# leak: funding
# line: 13
# about: Sells where funding is near its highest.


TITLE = "Funding extremes"
INPUTS = ("close", "funding")
WARMUP = 0


def targets(panel, params):
    rates = panel.extras["funding"]
    order = rates.argsort(axis=0).argsort(axis=0)
    crowded = order > 0.8 * panel.n_bars
    return -crowded.astype(float) / panel.n_assets
