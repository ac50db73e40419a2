"""Times as files write them, to microseconds since 1970 UTC; whole columns at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.periods import EARLIEST, LATEST

MISSING = np.iinfo(np.int64).min
EXPECTED = "a time such as 2021-01-31, 2021-01-31T14:30:00Z, 20210131 or seconds since 1970"
ISO = (
    r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?)?"
    r" ?(Z|[+-]\d{2}:?\d{2})?$"
)
ZONE = r"(Z|[+-]\d{2}(:?\d{2})?)$"
# Patterns of text and what makes ISO of them.
SHAPES: tuple[tuple[str, str, str], ...] = (
    ("iso", ISO, ""),
    ("month", r"^\d{4}-\d{2}$", r"\0-01"),
    ("slashed", r"^(\d{4})[/.](\d{2})[/.](\d{2})([ T].*)?$", r"\1-\2-\3\4"),
    ("compact", r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3"),
    ("compact time", r"^(\d{4})(\d{2})(\d{2})[ T](\d{2}:\d{2}.*)$", r"\1-\2-\3 \4"),
    ("German", r"^(\d{2})\.(\d{2})\.(\d{4})([ T].*)?$", r"\3-\2-\1\4"),
    ("epoch", r"^-?\d{9,19}(\.\d+)?$", ""),
    ("compact month", r"^(\d{4})(\d{2})$", r"\1-\2-01"),
)  # fmt: skip


@dataclass(slots=True)
class Clock:
    """How times are written in one column: found at its first values, kept for all of them."""

    shape: str = ""
    unit: str = ""

    def read(self, column: Any) -> NDArray[np.int64]:
        """Return microseconds; ``MISSING`` where a value is not a time of the shape."""
        import pyarrow as pa

        kind = column.type
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            return _of_stamps(column)
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            return self.of_numbers(numbers)
        return self._of_texts(column)

    def _of_texts(self, column: Any) -> NDArray[np.int64]:
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
        self.shape = self.shape or shape_of(texts)
        pattern, to_iso = next(((p, r) for name, p, r in SHAPES if name == self.shape), ("$^", ""))
        fits = pc.match_substring_regex(texts, pattern)
        texts = pc.if_else(fits, texts, pa.scalar(None, pa.string()))
        if self.shape == "epoch":
            numbers = texts.cast(pa.float64()).to_numpy(zero_copy_only=False)
            return self.of_numbers(numbers)
        if to_iso:
            texts = pc.replace_substring_regex(texts, pattern, to_iso)
        return _of_iso(texts)

    def of_numbers(self, numbers: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return microseconds for seconds and parts of them since 1970, or compact dates."""
        known = numbers[np.isfinite(numbers)]
        if not self.unit and len(known):
            self.unit = unit_of(float(np.abs(known).max()))
        if self.unit == "compact":
            return _of_compact(numbers)
        scale = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}.get(self.unit, 1.0)
        with np.errstate(invalid="ignore", over="ignore"):
            micros = numbers * scale
        return _bounded(micros)


def unit_of(largest: float) -> str:
    """Return what numbers of this size count: compact dates, s, ms, us or ns since 1970."""
    if largest < 1e8:
        return "compact"
    limits = ((1e11, "s"), (1e14, "ms"), (1e17, "us"))
    return next((unit for limit, unit in limits if largest < limit), "ns")


def shape_of(texts: Any) -> str:
    """Return the name of the shape that most of the first values have; nothing without one."""
    import pyarrow.compute as pc

    head = texts.slice(0, 200).drop_null()
    if not len(head):
        return ""
    fitting = [(pc.sum(pc.match_substring_regex(head, p)).as_py(), name) for name, p, _ in SHAPES]
    count, name = max(fitting, key=lambda pair: pair[0])
    return name if count * 2 > len(head) else ""


def _of_stamps(column: Any) -> NDArray[np.int64]:
    import pyarrow as pa

    zoned = pa.types.is_timestamp(column.type) and column.type.tz
    wanted = pa.timestamp("us", column.type.tz) if zoned else pa.timestamp("us")
    micros = column.cast(wanted, safe=False).cast(pa.int64())
    return _bounded(micros.fill_null(MISSING).to_numpy(zero_copy_only=False))


def _of_iso(texts: Any) -> NDArray[np.int64]:
    """Return ISO texts in microseconds; days that no calendar has are ``MISSING``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.replace_substring_regex(pc.replace_substring(texts, ",", "."), " (Z|[+-])", r"\1")
    has_zone = pc.match_substring_regex(texts, r"\d{2}:\d{2}.*" + ZONE)
    out = np.full(len(texts), MISSING, np.int64)
    for zoned in (True, False):
        mine = pc.fill_null(pc.equal(has_zone, zoned), False)  # noqa: FBT003 a value of a column
        part = texts.filter(mine)
        if len(part):
            kind = pa.timestamp("ns", "UTC") if zoned else pa.timestamp("ns")
            out[mine.to_numpy(zero_copy_only=False)] = _cast(part, kind)
    return out


def _cast(texts: Any, kind: Any) -> NDArray[np.int64]:
    import pyarrow as pa

    try:
        nanos = texts.cast(kind).cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        if len(texts) == 1:
            return np.array([MISSING])
        half = len(texts) // 2  # the first faulty value is found by halves; the rest is moot
        first = _cast(texts[:half], kind)
        rest = np.full(len(texts) - half, MISSING)
        return np.concatenate([first, rest if MISSING in first else _cast(texts[half:], kind)])
    return np.asarray(nanos // 1000)


def _of_compact(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    whole = np.where(np.isfinite(numbers), numbers, 0).astype(np.int64)
    monthly = whole < 1_000_000
    whole = np.where(monthly, whole * 100 + 1, whole)
    year, month, day = whole // 10_000, whole // 100 % 100, whole % 100
    fits = (year >= 1700) & (year < 2300) & (month >= 1) & (month <= 12) & (day >= 1)
    months = np.where(fits, (year - 1970) * 12 + month - 1, 0).astype("M8[M]")
    days = months.astype("M8[D]") + (day - 1)
    fits &= days.astype("M8[M]") == months
    micros = days.astype("M8[us]").astype(np.int64)
    return np.where(fits, micros, MISSING)


def _bounded(micros: NDArray[Any]) -> NDArray[np.int64]:
    with np.errstate(invalid="ignore"):
        fits = (micros >= EARLIEST) & (micros <= LATEST)
        whole = np.where(fits, micros, 0)
    rounded = np.rint(whole) if whole.dtype.kind == "f" else whole
    return np.where(fits, rounded.astype(np.int64), MISSING)
