"""What the audit page is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms

TIMES = ("since", "before")


class TrailFilter(forms.Form):
    """Search and filter of the trail; days are whole days in UTC."""

    search = forms.CharField(required=False, max_length=200)
    action = forms.CharField(required=False, max_length=64)
    subject = forms.CharField(required=False, max_length=200)
    actor = forms.CharField(required=False, max_length=80)
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)

    def asked(self) -> dict[str, Any]:
        """Return the arguments of ``selectors.list_events``; wrong fields are left out."""
        self.is_valid()
        found = {name: self.cleaned_data.get(name) for name in self.fields}
        since, until = found.pop("since"), found.pop("until")
        return {
            **{name: text or "" for name, text in found.items()},
            "since": datetime.combine(since, time(), UTC) if since else None,
            "before": datetime.combine(until, time(), UTC) + timedelta(days=1) if until else None,
        }

    def query(self) -> str:
        """Return the filter as the query of an export."""
        found = {name: value for name, value in self.asked().items() if value}
        return urlencode({k: v.isoformat() if k in TIMES else v for k, v in found.items()})
