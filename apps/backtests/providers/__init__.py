"""Outside things that backtests speak with."""
