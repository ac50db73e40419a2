"""Pure sums of backtests."""
