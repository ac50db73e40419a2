"""The average price of a position as trades come in."""

from __future__ import annotations


def average_after(held: float, average: float, traded: float, price: float) -> float:
    """Return the average price after a trade.

    Parameters
    ----------
    held, average
        Signed quantity and average price before.
    traded, price
        Signed quantity and price of the trade.

    Returns
    -------
    float
        Reducing leaves the average as it is; a position that changes sides starts at ``price``.
    """
    after = held + traded
    if after == 0.0:
        return 0.0
    if held * traded >= 0.0:
        return (held * average + traded * price) / after
    return average if held * after > 0.0 else price
