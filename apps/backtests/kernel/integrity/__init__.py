"""How much of a result is luck: Sharpe ratios after many trials, overfitting, effective trials."""
