"""Uploads."""

from __future__ import annotations

import json
from typing import Any

from ninja import Field, Schema

from apps.core.errors import Invalid


class UploadIn(Schema):
    """How to read an uploaded file; what is left out is found out from the file.

    ``columns`` is JSON: name of a column in the file to its role (ts, symbol, open, …, figure,
    omit). ``upload`` names a file that was sent for a preview, in place of sending it again.
    """

    dataset: str = Field(max_length=64)
    upload: str = Field("", max_length=64)
    kind: str = ""
    timeframe: str = ""
    calendar: str = ""
    price_mode: str = ""
    stamp: str = ""
    defects: str = ""
    symbol: str = Field("", max_length=40)
    metric: str = Field("", max_length=60)
    index: str = Field("", max_length=40)
    delimiter: str = ""
    decimal: str = ""
    columns: str = ""
    ts_column: str = ""
    symbol_column: str = ""
    open_column: str = ""
    high_column: str = ""
    low_column: str = ""
    close_column: str = ""
    volume_column: str = ""

    @property
    def wanted(self) -> dict[str, Any]:
        """The arguments of an upload but for the file."""
        names = ("ts", "symbol", "open", "high", "low", "close", "volume")
        fields = self.dict(exclude={"upload", *(f"{name}_column" for name in names)})
        mapping = {name: getattr(self, f"{name}_column") for name in names}
        fields |= {"columns": _roles(self.columns), "mapping": mapping}
        return {**fields, "file_id": self.upload}


def _roles(text: str) -> dict[str, str]:
    """Return the roles of columns from JSON. Raises ``Invalid``."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if isinstance(found, dict) and all(isinstance(role, str) for role in found.values()):
        return found
    message = 'columns is no JSON such as {"Close/Last": "close", "note": "omit"}.'
    raise Invalid(message, code="upload.columns", details={"field": "columns"})


class UploadOut(Schema):
    """What an upload stored."""

    dataset: str
    file: str
    batch: int
    sha256: str
    symbols: list[str]
    symbol_count: int
    rows_received: int
    rows_added: int
    rows_changed: int
    figures: int
    actions: int
    reference: int
    quarantined: int
    timeframes: list[str]
    universes: list[str]
    tables: list[dict[str, Any]]


class UploadPreview(Schema):
    """What a file holds, table by table, and where it would go; nothing is stored."""

    upload: str
    file: str
    bytes: int
    seconds: float
    peak_mb: float
    rows: int
    tables: list[dict[str, Any]]
