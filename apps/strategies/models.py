"""Tables of strategies."""
