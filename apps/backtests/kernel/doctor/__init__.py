"""The backtest doctor: what may be wrong with a finished run, the worst first, with its causes."""
