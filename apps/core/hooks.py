"""Signals between apps: what is sent to the right, light enough for every process to listen."""

from __future__ import annotations

from django.dispatch import Signal

# Bars were revised, sent on commit: team_id, batch_id, series_ids, first_at, last_at, now.
bars_revised = Signal()
