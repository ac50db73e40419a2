"""Plotly figures of risk: arrays in, plain dicts out."""

from apps.risk.charts.books import book_figure
from apps.risk.charts.grades import fan

__all__ = ["book_figure", "fan"]
