"""Files made to break a reader, each with what its refusal must say; made anew by every run."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import zipfile
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HEADER = "symbol,date,open,high,low,close,volume\n"
FIELDS = ("symbol", "date", "open", "high", "low", "close", "volume")


def rows(count=60, symbol="ACME"):
    """Return honest lines of daily bars."""
    days = np.datetime64("2024-01-01") + np.arange(count)
    return [f"{symbol},{day},10.0,11.0,9.0,10.5,100" for day in days]


def csv(lines=None, header=HEADER):
    return (header + "\n".join(rows() if lines is None else lines) + "\n").encode()


def with_cell(row, column, text, count=60):
    """Return a file whose cell in ``row`` (from 1) and ``column`` holds ``text``."""
    lines = rows(count)
    cells = lines[row - 1].split(",")
    cells[FIELDS.index(column)] = text
    lines[row - 1] = ",".join(cells)
    return csv(lines)


def table(count=60):
    days = np.datetime64("2024-01-01") + np.arange(count)
    plain = {"symbol": ["ACME"] * count, "date": pa.array(days.astype("M8[D]"))}
    prices = {"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 100.0}
    return pa.table(plain | {name: np.full(count, value) for name, value in prices.items()})


def parquet(content=None, **options):
    out = io.BytesIO()
    pq.write_table(table() if content is None else content, out, **options)
    return out.getvalue()


def zipped(members, **options):
    """Return a zip of names to contents."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def lying_rows():
    """Return a Parquet file that says it has a billion rows in its footer."""
    good = parquet(table(77))
    # Counts stand in the footer as zigzag varints: 77 is 0x9a 0x01.
    size = struct.unpack("<I", good[-8:-4])[0]
    footer = good[-8 - size : -8].replace(b"\x9a\x01", b"\xfe\x7f")
    return good[: -8 - size] + footer + good[-8:]


def huge_dictionary():
    """Return a small Parquet file whose one page of names unpacks to half a gigabyte."""
    names = pa.array(["x" * 16_000_000 + str(i) for i in range(32)])
    days = pa.array((np.datetime64("2024-01-01") + np.arange(32)).astype("M8[D]"))
    out = {"symbol": names, "date": days} | {n: np.full(32, 10.0) for n in FIELDS[2:]}
    return parquet(pa.table(out), compression="zstd")


def nested(depth):
    """Return a Parquet file with one column that many lists deep."""
    kind = pa.int32()
    for _ in range(depth):
        kind = pa.list_(kind)
    array = pa.array([None], kind)
    return parquet(pa.table({"deep": array}))


def nested_footer(depth=1000):
    """Return a Parquet file whose schema says groups in groups, as no writer would make it."""
    root = b"\x48\x06schema\x15\x02\x00"
    leaf = b"\x15\x02\x25\x02\x18\x01x\x00"
    count = depth + 2
    size = bytes([0xFC]) + varint(count)
    schema = size + root + (b"\x35\x00" + b"\x18\x01g" + b"\x15\x02\x00") * depth + leaf
    footer = b"\x15\x02\x19" + schema + b"\x16\x02" + b"\x19\x0c" + b"\x00"
    return b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1"


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def mutated(seed):
    """Return an honest Parquet file with some bytes changed."""
    rng = np.random.default_rng(seed)
    good = bytearray(parquet(table(200), compression=("snappy", "zstd", "none")[seed % 3]))
    tail = len(good) - 1200 if seed % 2 else 4
    for at in rng.integers(max(tail, 4), len(good) - 4, rng.integers(1, 12)):
        good[at] = rng.integers(0, 256)
    return bytes(good)


def bomb_declared():
    """Return a zip that says, truly, that 200 MB come out of it."""
    return zipped([("bars.csv", b"0" * 200_000_000)])


def bomb_streamed():
    """Return a zip that says a few bytes come out of it where 200 MB do."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packed.compress(b"0" * 200_000_000) + packed.flush()
    name, said = b"bars.csv", 1000
    sizes = struct.pack("<III", zlib.crc32(b"0" * 1000), len(body), said)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes
    local += struct.pack("<HH", len(name), 0) + name
    central = b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0) + sizes
    central += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name
    end = b"PK\x05\x06" + struct.pack(
        "<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(body), 0
    )
    return local + body + central + end


def gz_of_ten_gigabytes():
    """Return ten gigabytes of zeros, packed: one packed piece after the other."""
    piece = gzip.compress(b"\0" * 100_000_000, 9)
    return piece * 100


def bz2_of_a_gigabyte():
    return bz2.compress(b"0" * 100_000_000) * 10


def linked():
    """Return a zip with a symbolic link to a file of the host."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo("bars.csv")
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return out.getvalue()


def crowded():
    """Return a zip of very many empty files."""
    return zipped((f"{i}.csv", b"") for i in range(20_000))
