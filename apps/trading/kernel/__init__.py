"""Sums of trading: order states, scopes of a halt, sleeves, what to order."""
