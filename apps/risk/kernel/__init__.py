"""Sums of risk: value at risk, expected shortfall, the pre-trade guard."""
