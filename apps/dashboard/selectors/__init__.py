"""What the pages that join the apps show."""

from apps.dashboard.selectors.blast_radius import blast_radius
from apps.dashboard.selectors.overview import frame, overview, totals_of

__all__ = ["blast_radius", "frame", "overview", "totals_of"]
