"""The look-ahead probe: what a strategy wants at a close must not hang on what comes after."""

from apps.strategies.kernel.probe.outputs import Outputs, Place, Subject
from apps.strategies.kernel.probe.reports import Finding, Report
from apps.strategies.kernel.probe.search import Plan, probe
from apps.strategies.kernel.probe.sheets import Sheet

__all__ = ["Finding", "Outputs", "Place", "Plan", "Report", "Sheet", "Subject", "probe"]
