"""What people type into the pages of market."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.core.kernel.timeframes import SECONDS
from apps.market.selectors.rankings import MEASURES, Rule

TIMEFRAMES = [("", "as stored"), *((name, name) for name in SECONDS)]
CALENDARS = [
    ("XNYS", "New York sessions"),
    ("24/7", "around the clock"),
    ("24/5", "around the clock on weekdays"),
    ("XLON", "London sessions"),
    ("XETR", "Xetra sessions"),
    ("XPAR", "Paris sessions"),
    ("XOSL", "Oslo sessions"),
    ("XTKS", "Tokyo sessions"),
    ("XHKG", "Hong Kong sessions"),
    ("CMES", "Chicago futures sessions"),
]
FOUND_OUT = ("", "found out from the file")
UPLOAD_TIMEFRAMES = [FOUND_OUT, *TIMEFRAMES[1:]]
UPLOAD_CALENDARS = [FOUND_OUT, *CALENDARS]
UPLOAD_KINDS = [
    FOUND_OUT,
    ("bars", "bars"),
    ("actions", "dividends and splits"),
    ("metrics", "figures by time"),
    ("members", "members of an index"),
    ("renames", "ticker changes"),
]
PRICE_MODES = [
    FOUND_OUT,
    ("raw", "raw, as traded"),
    ("split", "joined across splits"),
    ("total_return", "joined across splits and dividends"),
]
STAMPS = [("", "the open of a bar"), ("close", "the close of a bar")]
DEFECTS = [
    ("", "set aside when they are few"),
    ("refuse", "refuse the file"),
    ("set_aside", "set aside, however many"),
]
DELIMITERS = [FOUND_OUT, (",", "comma"), (";", "semicolon"), ("tab", "tab"), ("|", "bar |")]
DECIMALS = [FOUND_OUT, (".", "point"), (",", "comma")]
UPLOAD_CHOICES = {
    "kind": UPLOAD_KINDS,
    "timeframe": UPLOAD_TIMEFRAMES,
    "calendar": UPLOAD_CALENDARS,
    "price_mode": PRICE_MODES,
    "stamp": STAMPS,
    "defects": DEFECTS,
    "delimiter": DELIMITERS,
    "decimal": DECIMALS,
}
ROLE = "role:"
PASTED_NAME, MAX_PASTED = "pasted.csv", 200_000
COLUMN_ROLES = [
    ("ts", "time"),
    ("symbol", "symbol"),
    ("venue", "venue"),
    ("open", "open"),
    ("high", "high"),
    ("low", "low"),
    ("close", "close"),
    ("volume", "volume"),
    ("adj_close", "adjusted close"),
    ("adj_factor", "adjustment factor"),
    ("dividend", "dividend"),
    ("split", "split"),
    ("figure", "figure under its own name"),
    ("kind", "kind of figure or action"),
    ("value", "value"),
    ("name", "name"),
    ("sector", "sector"),
    ("joined", "joined on"),
    ("left", "left on"),
    ("before", "ticker before"),
    ("after", "ticker after"),
    ("price_factor", "Lean price factor"),
    ("split_factor", "Lean split factor"),
    ("reference_price", "Lean reference price"),
    ("permtick", "Lean permanent ticker"),
    ("omit", "left out"),
]
MEASURE_CHOICES = [(name, name) for name in MEASURES]


def split_symbols(text: str) -> list[str]:
    """Return the symbols in a text, upper case, however they are separated."""
    return [part if ":" in part else part.upper() for part in re.split(r"[\s,;]+", text) if part]


INGEST_MODES = (
    ("missing", "What is not there yet"),
    ("repair", "The gaps within what is there"),
    ("full", "All of it again"),
)
WEEKDAYS = (
    ("", "Every day"),
    ("0,1,2,3,4", "Monday to Friday"),
    ("1,2,3,4,5", "Tuesday to Saturday"),
    ("5", "Saturday"),
    ("6", "Sunday"),
)


class FlowForm(forms.Form):
    """An ingestion that starts by itself."""

    name = forms.CharField(max_length=64)
    source = forms.CharField()
    symbols = forms.CharField(required=False)
    timeframe = forms.ChoiceField(choices=TIMEFRAMES, required=False)
    start = forms.CharField(required=False)
    dataset = forms.CharField(required=False, max_length=64)
    at_utc = forms.CharField(max_length=8)
    weekdays = forms.ChoiceField(choices=WEEKDAYS, required=False)

    def wanted(self) -> dict[str, Any]:
        """Return the arguments of the service."""
        data = self.cleaned_data
        provider, _, section = data["source"].partition(":")
        return {
            "name": data["name"],
            "provider": provider,
            "section": section,
            "symbols": split_symbols(data["symbols"]),
            "timeframe": data["timeframe"],
            "start": data["start"] or None,
            "dataset": data["dataset"],
            "at_utc": data["at_utc"],
            "weekdays": [int(day) for day in data["weekdays"].split(",") if day],
        }


class FlowActForm(forms.Form):
    """What to do with a flow."""

    act = forms.ChoiceField(choices=[(act, act) for act in ("run", "on", "off", "delete")])


class IngestForm(forms.Form):
    """What to ingest, and where to."""

    source = forms.CharField()
    symbols = forms.CharField(required=False)
    timeframe = forms.ChoiceField(choices=TIMEFRAMES, required=False)
    start = forms.CharField(required=False)
    end = forms.CharField(required=False)
    dataset = forms.CharField(required=False, max_length=64)
    mode = forms.ChoiceField(choices=INGEST_MODES, required=False)

    def wanted(self) -> dict[str, Any]:
        """Return the arguments of the service."""
        data = self.cleaned_data
        provider, _, section = data["source"].partition(":")
        return {
            "mode": data["mode"] or "missing",
            "provider": provider,
            "section": section,
            "symbols": split_symbols(data["symbols"]),
            "timeframe": data["timeframe"],
            "start": data["start"] or None,
            "end": data["end"] or None,
            "dataset": data["dataset"],
        }


class UploadForm(forms.Form):
    """A file and how to read it; the roles of columns come as ``role:NAME OF THE COLUMN``."""

    file = forms.FileField(required=False)
    pasted = forms.CharField(required=False, max_length=MAX_PASTED, strip=False)
    upload = forms.CharField(required=False, max_length=64)
    dataset = forms.CharField(max_length=64)
    kind = forms.ChoiceField(choices=UPLOAD_KINDS, required=False)
    timeframe = forms.ChoiceField(choices=UPLOAD_TIMEFRAMES, required=False)
    calendar = forms.ChoiceField(choices=UPLOAD_CALENDARS, required=False)
    price_mode = forms.ChoiceField(choices=PRICE_MODES, required=False)
    stamp = forms.ChoiceField(choices=STAMPS, required=False)
    defects = forms.ChoiceField(choices=DEFECTS, required=False)
    delimiter = forms.ChoiceField(choices=DELIMITERS, required=False)
    decimal = forms.ChoiceField(choices=DECIMALS, required=False)
    symbol = forms.CharField(required=False, max_length=40)
    metric = forms.CharField(required=False, max_length=60)
    index = forms.CharField(required=False, max_length=40)

    def clean(self) -> dict[str, Any]:
        """Check that there is a file, sent now or before."""
        data = dict(super().clean() or {})
        if not data.get("file") and str(data.get("pasted") or "").strip():
            text = str(data["pasted"]).encode()
            data["file"] = SimpleUploadedFile(PASTED_NAME, text, content_type="text/csv")
        if not data.get("file") and not data.get("upload"):
            self.add_error("file", "Choose a file, or paste rows.")
        return data

    def wanted(self) -> dict[str, Any]:
        """Return the arguments of an upload."""
        data = dict(self.cleaned_data)
        sent, file_id = data.pop("file"), data.pop("upload")
        data.pop("pasted")
        columns = {
            name.removeprefix(ROLE): str(role)
            for name, role in self.data.items()
            if name.startswith(ROLE) and role
        }
        if sent:  # another file than the one whose columns were shown
            file_id, columns = "", columns if not file_id else {}
        delimiter = "\t" if data["delimiter"] == "tab" else data["delimiter"]
        known = {**data, "delimiter": delimiter, "symbol": data["symbol"].strip()}
        return {**known, "sent": sent or None, "file_id": file_id, "columns": columns}


class MembersForm(forms.Form):
    """Whose members are to be asked for, and from whom."""

    provider = forms.CharField(max_length=40)
    index = forms.CharField(max_length=40, strip=True)
    dataset = forms.CharField(required=False, max_length=64)


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


class LiveFeedForm(forms.Form):
    """A live feed to be made."""

    name = forms.CharField(max_length=64)
    source = forms.CharField()
    symbols = forms.CharField()
    timeframe = forms.CharField(max_length=4, initial="1m")

    def wanted(self) -> dict[str, Any]:
        """Return the arguments of the service."""
        data = self.cleaned_data
        provider, _, section = data["source"].partition(":")
        symbols = split_symbols(data["symbols"])
        told = {"name": data["name"], "timeframe": data["timeframe"]}
        return {**told, "provider": provider, "section": section, "symbols": symbols}


class LiveFeedActForm(forms.Form):
    """What to do with a live feed."""

    act = forms.ChoiceField(choices=[(act, act) for act in ("start", "stop", "delete")])


class ProviderKeyForm(forms.Form):
    """What to do with a key; its parts are fields named ``key_…`` that are never filled in."""

    act = forms.ChoiceField(choices=[(act, act) for act in ("save", "check", "delete")])

    def key(self) -> dict[str, str]:
        """Return the parts of the key as typed."""
        found = {name: value for name, value in self.data.items() if name.startswith("key_")}
        return {name.removeprefix("key_"): str(value) for name, value in found.items()}


class SeriesForm(forms.Form):
    """Which series an act is about."""

    dataset = forms.CharField(required=False, max_length=64)
    timeframe = forms.CharField(required=False, max_length=4)


class FindingForm(SeriesForm):
    """What somebody says about a finding: a real event, or bars to take out."""

    kind = forms.CharField(required=False, max_length=40)
    at = forms.DateTimeField(input_formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z"])
    note = forms.CharField(max_length=300, strip=True)
    act = forms.ChoiceField(choices=[("acknowledge", "a real event"), ("withdraw", "take out")])


class DropAllForm(forms.Form):
    """Whose open bars are left out for good, and why."""

    dataset = forms.CharField(max_length=64)
    note = forms.CharField(max_length=300, strip=True)


class QuarantineForm(forms.Form):
    """What is decided on a bar kept out; figures left empty stay as received."""

    act = forms.ChoiceField(choices=[("release", "store it"), ("drop", "leave it out")])
    note = forms.CharField(max_length=300, strip=True)
    open = forms.FloatField(required=False)
    high = forms.FloatField(required=False)
    low = forms.FloatField(required=False)
    close = forms.FloatField(required=False)
    volume = forms.FloatField(required=False)

    def corrected(self) -> dict[str, float]:
        """Return the figures that were given."""
        names = ("open", "high", "low", "close", "volume")
        given = {name: self.cleaned_data.get(name) for name in names}
        return {name: value for name, value in given.items() if value is not None}
