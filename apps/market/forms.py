"""What people type into the pages of market."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from apps.core.kernel.timeframes import SECONDS

TIMEFRAMES = [("", "as stored"), *((name, name) for name in SECONDS)]
CALENDARS = [("XNYS", "New York sessions"), ("24/7", "around the clock")]
MAPPED = ("ts", "symbol", "open", "high", "low", "close", "volume")


def split_symbols(text: str) -> list[str]:
    """Return the symbols in a text, upper case, however they are separated."""
    return [part if ":" in part else part.upper() for part in re.split(r"[\s,;]+", text) if part]


class IngestForm(forms.Form):
    """What to ingest, and where to."""

    source = forms.CharField()
    symbols = forms.CharField(required=False)
    timeframe = forms.ChoiceField(choices=TIMEFRAMES, required=False)
    start = forms.CharField(required=False)
    end = forms.CharField(required=False)
    dataset = forms.CharField(required=False, max_length=64)

    def wanted(self) -> dict[str, Any]:
        """Return the arguments of the service."""
        data = self.cleaned_data
        provider, _, section = data["source"].partition(":")
        return {
            "provider": provider,
            "section": section,
            "symbols": split_symbols(data["symbols"]),
            "timeframe": data["timeframe"],
            "start": data["start"] or None,
            "end": data["end"] or None,
            "dataset": data["dataset"],
        }


class UploadForm(forms.Form):
    """A file and how to read it."""

    file = forms.FileField()
    dataset = forms.CharField(max_length=64)
    timeframe = forms.ChoiceField(choices=TIMEFRAMES[1:], initial="1d")
    calendar = forms.ChoiceField(choices=CALENDARS)
    symbol = forms.CharField(required=False, max_length=40)
    ts_column = forms.CharField(required=False)
    symbol_column = forms.CharField(required=False)
    open_column = forms.CharField(required=False)
    high_column = forms.CharField(required=False)
    low_column = forms.CharField(required=False)
    close_column = forms.CharField(required=False)
    volume_column = forms.CharField(required=False)

    def wanted(self) -> dict[str, Any]:
        """Return the arguments of an upload."""
        data = self.cleaned_data
        return {
            "content": data["file"].read(),
            "name": data["file"].name,
            "dataset": data["dataset"],
            "timeframe": data["timeframe"],
            "calendar": data["calendar"],
            "symbol": data["symbol"].strip().upper(),
            "mapping": {name: data[f"{name}_column"].strip() for name in MAPPED},
        }


class UniverseForm(forms.Form):
    """A universe to be made."""

    name = forms.CharField(max_length=64)
    title = forms.CharField(required=False, max_length=200)
    symbols = forms.CharField()
    timeframe = forms.ChoiceField(choices=TIMEFRAMES[1:], initial="1d")
    dataset = forms.CharField(required=False, max_length=64)
    survivorship = forms.CharField(max_length=1000)

    def wanted(self) -> dict[str, Any]:
        """Return the arguments of the service."""
        data = self.cleaned_data
        return {**data, "symbols": split_symbols(data["symbols"])}


class FeedForm(forms.Form):
    """What to do with a feed."""

    act = forms.ChoiceField(choices=[(act, act) for act in ("pause", "resume", "restart")])
    seconds_per_bar = forms.FloatField(required=False)
