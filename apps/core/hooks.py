"""Signals between apps: what is sent to the right, light enough for every process to listen."""

from __future__ import annotations

from django.dispatch import Signal

# Bars were revised, sent on commit: team_id, batch_id, series_ids, first_at, last_at, now.
bars_revised = Signal()

# Something needs a person, sent inside the transaction that found it: team_id (None: the whole
# lab), kind, subject, severity ("warning", "critical"), title, advice, now. The same kind and
# subject again is the same trouble going on.
trouble_found = Signal()
# It is over, sent likewise: team_id, kind, subject, now.
trouble_over = Signal()
