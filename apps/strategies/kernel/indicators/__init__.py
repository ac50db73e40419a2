"""Indicators: TA-Lib's where it has them, others composed or compiled here."""

from apps.strategies.kernel.indicators.measures import find_indicator, measure
from apps.strategies.kernel.indicators.table import INDICATORS, Indicator

__all__ = ["INDICATORS", "Indicator", "find_indicator", "measure"]
