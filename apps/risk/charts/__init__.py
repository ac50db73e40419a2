"""Plotly figures of risk: arrays in, plain dicts out."""

from apps.risk.charts.grades import fan

__all__ = ["fan"]
