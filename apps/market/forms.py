"""What people type into the pages of market."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from apps.core.kernel.timeframes import SECONDS
from apps.market.selectors.rankings import MEASURES, Rule

TIMEFRAMES = [("", "as stored"), *((name, name) for name in SECONDS)]
CALENDARS = [("XNYS", "New York sessions"), ("24/7", "around the clock")]
MEASURE_CHOICES = [(name, name) for name in MEASURES]
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
    symbols = forms.CharField(required=False)
    timeframe = forms.ChoiceField(choices=TIMEFRAMES[1:], initial="1d")
    dataset = forms.CharField(required=False, max_length=64)
    survivorship = forms.CharField(required=False, max_length=1000)
    on = forms.DateField(required=False)
    index = forms.CharField(required=False, max_length=40)
    by = forms.ChoiceField(choices=MEASURE_CHOICES, required=False)
    top = forms.IntegerField(required=False, min_value=0, max_value=5000)
    days = forms.IntegerField(required=False, min_value=1, max_value=366)

    def wanted(self) -> dict[str, Any]:
        """Return the arguments of the service; a rule only when a day to pick on is given."""
        data = self.cleaned_data
        names = ("name", "title", "timeframe", "dataset", "survivorship")
        return {
            **{name: data[name] for name in names},
            "symbols": split_symbols(data["symbols"]),
            "rule": self._rule() if data["on"] else None,
        }

    def _rule(self) -> Rule:
        data = self.cleaned_data
        return Rule(
            on=data["on"],
            dataset=data["dataset"],
            index=data["index"],
            by=data["by"] or "turnover",
            top=data["top"] or 0,
            days=data["days"] or 30,
        )


class FeedForm(forms.Form):
    """What to do with a feed."""

    act = forms.ChoiceField(choices=[(act, act) for act in ("pause", "resume", "restart")])
    seconds_per_bar = forms.FloatField(required=False)


class ProviderKeyForm(forms.Form):
    """What to do with a key; its parts are fields named ``key_…`` that are never filled in."""

    act = forms.ChoiceField(choices=[(act, act) for act in ("save", "check", "delete")])

    def key(self) -> dict[str, str]:
        """Return the parts of the key as typed."""
        found = {name: value for name, value in self.data.items() if name.startswith("key_")}
        return {name.removeprefix("key_"): str(value) for name, value in found.items()}
