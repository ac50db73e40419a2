"""Pure sums of strategies."""
