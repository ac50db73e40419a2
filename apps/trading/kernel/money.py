"""Floats of kernels into the exact numbers of orders and fills, in one place."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from apps.core.errors import Invalid

CENT_PARTS = Decimal("0.00000001")
UNIT_PARTS = Decimal("0.000000000001")


def to_money(value: float) -> Decimal:
    """Return an amount or price with 8 decimals."""
    return _exact(value, CENT_PARTS)


def to_quantity(value: float) -> Decimal:
    """Return a quantity with 12 decimals."""
    return _exact(value, UNIT_PARTS)


def _exact(value: float, step: Decimal) -> Decimal:
    if not math.isfinite(value):
        raise Invalid(f"{value} is no amount.", code="money.not_finite")
    try:
        return Decimal(repr(float(value))).quantize(step, rounding=ROUND_HALF_EVEN)
    except InvalidOperation:
        message = f"{value:g} has more digits than an amount or a quantity can have."
        raise Invalid(message, code="money.too_large") from None
