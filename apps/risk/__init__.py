"""How bad: value at risk, expected shortfall, limits."""
