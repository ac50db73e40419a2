"""Reads of backtests: runs, their curves and figures."""

from __future__ import annotations

from apps.backtests.kernel.files import measure_file

__all__ = ["measure_file"]
