"""Plain files as typed columns: read batch by batch, written column by column."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.market.kernel.cleaning import Defect, describe
from apps.market.providers.uploads import roles, symbols, texts, times
from apps.market.providers.uploads.containers import MAX_UNPACKED, Member
from apps.market.providers.uploads.roles import Column

MAX_ROWS = 5_000_000
MAX_SYMBOLS = 50_000
LARGEST = 1e18
BATCH = 131_072
BLOCK = 2 * 2**20
SAMPLE_ROWS = 1000
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
NOTHING = ("nan", "null", "none", "na", "n/a", "#n/a", "-", ".", "nil")
FLAGS = {"true", "false", "yes", "no"}
EMPTY_NAME = "column without a name"


@dataclass(frozen=True, slots=True)
class Source:
    """A plain file that can be read in batches of rows."""

    member: Member
    columns: list[Column]
    dialect: texts.Dialect | None = None
    rows: int | None = None

    def batches(self, names: list[str] | None = None) -> Iterator[Any]:
        """Return record batches of some columns. Raises ``Invalid`` when the file lies."""
        return _csv(self, names) if self.dialect else _parquet(self, names)

    @property
    def form(self) -> dict[str, str]:
        """How the file is written."""
        if self.dialect is None:
            return {"format": "parquet"}
        return {
            "format": "csv",
            "encoding": self.dialect.encoding,
            "delimiter": self.dialect.delimiter,
            "decimal": self.dialect.decimal,
        }


def open_source(member: Member, folder: Path, *, delimiter: str = "", decimal: str = "") -> Source:
    """Open a plain file and find out what its columns hold. Raises ``Invalid``."""
    if member.form == "csv":
        dialect = texts.recognise(member.path, folder, delimiter=delimiter, decimal=decimal)
        source = Source(member, [], dialect)
    else:
        source = Source(member, [], None, _checked_rows(member))
    head = next(source.batches(), None)
    if head is None or not head.num_rows:
        raise unreadable(f"{member.name} holds no rows")
    decimal = source.dialect.decimal if source.dialect else "."
    columns = [_look_at(name, head.column(name), decimal) for name in head.schema.names]
    return Source(member, columns, source.dialect, source.rows)


def _csv(source: Source, names: list[str] | None) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import csv

    dialect = source.dialect
    assert dialect is not None  # noqa: S101 for the type checker
    faults: list[Any] = []

    def note(row: Any) -> str:
        faults.append(row)
        return "error"

    try:
        reader = csv.open_csv(
            dialect.path,
            csv.ReadOptions(use_threads=False, block_size=BLOCK),
            csv.ParseOptions(
                delimiter=dialect.delimiter,
                invalid_row_handler=note,
            ),
            csv.ConvertOptions(
                column_types=dict.fromkeys(dialect.header, pa.string()),
                include_columns=names,
                null_values=[""],
                strings_can_be_null=True,
                check_utf8=True,
            ),
        )
        yield from (batch for batch in reader if batch.num_rows)
    except (pa.ArrowException, OSError, KeyError) as error:
        if faults:
            raise _ragged(faults[0], str(error)) from None
        raise unreadable(f"{source.member.name} is no readable CSV: {_short(error)}") from None


def _ragged(row: Any, said: str) -> Invalid:
    number = re.search(r"Row #(\d+)", said)
    where = f"row {int(number.group(1)) - 1}" if number else f"the row {row.text[:60]!r}"
    return unreadable(f"{where} has {row.actual_columns} cells, the header {row.expected_columns}")


def _checked_rows(member: Member) -> int:
    """Return how many rows a Parquet file says it has, after looking at what else it says."""
    file = _opened(member)
    said, schema = file.metadata, file.schema_arrow
    nested = [f"{f.name} ({f.type})"[:80] for f in schema if _is_nested(f.type)]
    if nested:
        raise unreadable(
            f"{member.name} has nested columns: {', '.join(nested[:3])}; flatten them"
        )
    if len(set(schema.names)) != len(schema.names) or len(schema) > texts.MAX_COLUMNS:
        raise unreadable(f"{member.name} has {len(schema):,} columns, or one name twice")
    groups = [said.row_group(i) for i in range(said.num_row_groups)]
    if sum(group.num_rows for group in groups) != said.num_rows or said.num_rows < 0:
        raise unreadable(f"{member.name} lies: {said.num_rows:,} rows are not those of its groups")
    if not 0 < said.num_rows <= MAX_ROWS:
        raise too_many(member.name, said.num_rows)
    size = sum(group.total_byte_size for group in groups)
    if not 0 <= size <= MAX_UNPACKED:
        raise unreadable(f"{member.name} says it unpacks to {size:,} bytes")
    return int(said.num_rows)


def _is_nested(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind))


def _opened(member: Member) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(
            member.path,
            memory_map=False,
            buffer_size=2**20,
            pre_buffer=False,
            thrift_string_size_limit=16 * 2**20,
            thrift_container_size_limit=200_000,
        )
    except (pa.ArrowException, OSError, ValueError, TypeError, RecursionError) as error:
        raise unreadable(f"{member.name} is no readable Parquet: {_short(error)}") from None


def _parquet(source: Source, names: list[str] | None) -> Iterator[Any]:
    import pyarrow as pa

    file, seen = _opened(source.member), 0
    try:
        for batch in file.iter_batches(batch_size=BATCH, columns=names, use_threads=False):
            seen += batch.num_rows
            yield batch
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        where = f"after row {seen:,} of {source.rows:,}"
        name = source.member.name
        raise unreadable(f"{name} is damaged {where}: {_short(error)}") from None
    if seen != source.rows:
        raise unreadable(f"{source.member.name} lies: {source.rows:,} rows said, {seen:,} found")


def _look_at(name: str, column: Any, decimal: str) -> Column:
    import pyarrow as pa

    known = column.drop_null().slice(0, SAMPLE_ROWS)
    shown = tuple(str(value)[:40] for value in known.slice(0, 3).to_pylist())
    if not len(known):
        is_number = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
        return Column(name, "number" if is_number else "empty", shown)
    if pa.types.is_dictionary(known.type):
        known = known.dictionary_decode()
    if pa.types.is_timestamp(known.type) or pa.types.is_date(known.type):
        return Column(name, "time", shown)
    if pa.types.is_boolean(known.type):
        return Column(name, "flag", shown)
    if pa.types.is_string(known.type) or pa.types.is_large_string(known.type):
        return Column(name, _type_of_texts(name, known, decimal), shown)
    return Column(name, _type_of_numbers(name, numbers(known, decimal)[0]), shown)


def _type_of_texts(name: str, known: Any, decimal: str) -> str:
    import pyarrow as pa
    import pyarrow.compute as pc

    shape = times.shape_of(pc.utf8_trim_whitespace(known.cast(pa.string())))
    if shape and shape not in {"epoch", "compact", "compact month"}:
        return "time"
    lowered = set(pc.utf8_lower(known).unique().slice(0, 8).to_pylist())
    if lowered <= FLAGS:
        return "flag"
    values, bad = numbers(known, decimal)
    if bad.mean() > 0.1 or (np.isnan(values).all() and not bad.any()):
        return "text"
    return _type_of_numbers(name, values)


def _type_of_numbers(name: str, values: NDArray[np.float64]) -> str:
    if roles.plain(name) not in roles.ALIASES["ts"]:
        return "number"
    clock = times.Clock()
    return "number" if times.MISSING in clock.of_numbers(values[np.isfinite(values)]) else "time"


def numbers(column: Any, decimal: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return a column as float64, NaN where there is nothing, and which values are no numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    none = np.zeros(len(column), bool)
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        try:
            return _floats(column.cast(pa.float64(), safe=False)), none
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return np.full(len(column), np.nan), np.ones(len(column), bool)
    written = pc.utf8_trim_whitespace(column)
    if decimal == ",":
        written = pc.replace_substring(pc.replace_substring(written, ".", ""), ",", ".")
    try:
        return _floats(written.cast(pa.float64())), none
    except pa.ArrowInvalid:
        pass
    fits = pc.fill_null(pc.match_substring_regex(written, NUMBER), False)  # noqa: FBT003
    nothing = pc.is_in(pc.utf8_lower(written), pa.array(NOTHING, written.type))
    kept = pc.if_else(fits, written, pa.scalar(None, written.type))
    bad = pc.invert(pc.or_(fits, pc.or_(nothing, pc.is_null(written))))
    return _floats(kept.cast(pa.float64())), bad.to_numpy(zero_copy_only=False)


def _floats(column: Any) -> NDArray[np.float64]:
    return np.asarray(column.fill_null(np.nan).to_numpy(zero_copy_only=False), np.float64)


@dataclass(slots=True)
class Spool:
    """Columns on disk, written by and by, read one at a time."""

    folder: Path
    dtypes: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, values: NDArray[Any]) -> None:
        """Append values to a column."""
        self.dtypes[name] = values.dtype.str
        with self.path(name).open("ab") as out:
            values.tofile(out)

    def put(self, name: str, values: NDArray[Any]) -> None:
        """Write a column anew."""
        self.path(name).unlink(missing_ok=True)
        self.add(name, values)

    def get(self, name: str, rows: int = -1) -> NDArray[Any]:
        """Return a column, or its first rows."""
        return np.fromfile(self.path(name), np.dtype(self.dtypes[name]), count=rows)

    def path(self, name: str) -> Path:
        """Where a column is."""
        return self.folder / f"{name}.bin"


@dataclass(slots=True)
class Names:
    """Symbols as numbers, in the order they come up."""

    codes: dict[str, int] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)

    @property
    def all(self) -> list[str]:
        """All symbols by number."""
        return list(self.codes)

    def read(self, column: Any, venues: Any = None) -> tuple[NDArray[np.int32], Defect | None]:
        """Return the numbers of a column of symbols, and the first that may not be stored."""
        import pyarrow as pa
        import pyarrow.compute as pc

        plain = column.cast(pa.string()).fill_null("")
        if venues is not None:
            place = pc.utf8_upper(pc.utf8_trim_whitespace(venues.cast(pa.string()).fill_null("")))
            plain = pc.binary_join_element_wise(place, pc.utf8_trim_whitespace(plain), ":")
            plain = pc.utf8_ltrim(plain, characters=":")
        coded = plain.dictionary_encode()
        local = coded.indices.to_numpy(zero_copy_only=False)
        known = np.empty(len(coded.dictionary), np.int32)
        for at, text in enumerate(coded.dictionary.to_pylist()):
            symbol = self.spelled.get(text)
            if symbol is None:
                symbol = symbols.normalise(text)
                if wrong := symbols.fault(symbol):
                    row = int(np.argmax(local == at))
                    return known, Defect(row, "symbol", wrong, "a plain symbol such as AAPL")
                self.spelled[text] = symbol
            known[at] = self.codes.setdefault(symbol, len(self.codes))
        if len(self.codes) > MAX_SYMBOLS:
            raise unreadable(f"it has more than {MAX_SYMBOLS:,} symbols")
        return known[local], None


def refusal(defects: list[Defect], name: str, headers: dict[str, str]) -> Invalid:
    """Return the error that names rows and columns of a file at fault."""
    defects = sorted(defects, key=lambda defect: (defect.row, defect.column))
    message = (
        f"{name} was refused and nothing stored: {describe(defects)} "
        "(rows counted from 1 after the header). Correct the file and upload it again."
    )
    rows = [
        {
            "row": defect.row + 1,
            "column": defect.column,
            "header": headers.get(defect.column, defect.column),
            "found": defect.found,
            "expected": defect.expected,
        }
        for defect in defects[:20]
    ]
    details = {"row": rows[0]["row"], "column": rows[0]["column"], "file": name, "defects": rows}
    return Invalid(message, code="upload.values", details=details)


def unreadable(what: str) -> Invalid:
    """Return the error for a file that can't be read at all."""
    message = f"The file was refused and nothing stored: {what}."
    return Invalid(message, code="upload.unreadable", details={"field": "file"})


def too_many(name: str, rows: int) -> Invalid:
    """Return the error for a file with more rows than are taken at once."""
    return unreadable(f"{name} has {rows:,} rows; 1 to {MAX_ROWS:,} can be taken at once")


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
