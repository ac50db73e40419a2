"""The digest of a run in the files made of it: put in, and found again."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from apps.backtests.kernel.sheet_paper import DIGEST_WORDS
from apps.backtests.kernel.sheets import DIGEST_NAME
from apps.core.errors import Invalid

# The column of CSV files, and the key of Parquet files.
COLUMN = "run_digest"
KEY = b"quantsite.run_digest"
DIGEST = re.compile(r"[0-9a-f]{64}")
IN_HTML = re.compile(rf'<meta name="{DIGEST_NAME}" content="([0-9a-f]{{64}})">')


def with_column(columns: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """Return the columns of a CSV with the digest as the last one; each row carries it."""
    count = len(next(iter(columns.values()))) if columns else 0
    return {**columns, COLUMN: np.full(count, digest, dtype=object)}


def with_metadata(content: bytes, digest: str) -> bytes:
    """Return a Parquet file with the digest among its metadata."""
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, table.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({KEY: digest.encode()})
    return sink.getvalue()


def digest_in(content: bytes, name: str) -> str:
    """Return the digest that a file carries.

    Raises ``Invalid``: ``sheet.kind`` for another kind of file, ``sheet.no_digest`` for one
    without.
    """
    ending = name.lower().rpartition(".")[2]
    if ending not in READERS:
        message = f"{name} is none of {', '.join(READERS)}; give a file that was exported."
        raise Invalid(message, code="sheet.kind")
    try:
        found = READERS[ending](content)
    except Exception as error:
        message = f"{name} can't be read as {ending}: {error}."
        raise Invalid(message, code="sheet.unreadable") from error
    if not DIGEST.fullmatch(found):
        message = f"{name} carries no digest of a run; it was not exported by the lab, or cut."
        raise Invalid(message, code="sheet.no_digest")
    return found


def _of_html(content: bytes) -> str:
    found = IN_HTML.search(content[:4096].decode("utf-8", "replace"))
    return found[1] if found else ""


def _of_csv(content: bytes) -> str:
    found = {row.get(COLUMN) or "" for row in csv.DictReader(io.StringIO(content.decode()))}
    return found.pop() if len(found) == 1 else ""


def _of_parquet(content: bytes) -> str:
    import pyarrow.parquet as pq

    told = pq.read_metadata(io.BytesIO(content)).metadata or {}
    return str(told.get(KEY, b"").decode())


def _of_pdf(content: bytes) -> str:
    found = re.search(rb"/Subject \(" + DIGEST_WORDS.encode() + rb"([0-9a-f]{64})\)", content)
    return found[1].decode() if found else ""


READERS = {"html": _of_html, "csv": _of_csv, "parquet": _of_parquet, "pdf": _of_pdf}
