"""What no client should send: values, bodies and queries made to break the doors."""

import json
import math
from urllib.parse import quote

DEEP = 2000
TEXTS = (
    "\0",
    "a\0b",
    "\ud800",
    "",
    " ",
    "x" * 300,
    "x" * 100_000,
    "9" * 400,
    "-1",
    "0",
    "1e400",
    "NaN",
    "-Infinity",
    "9223372036854775808",
    "99999999999999999999999999",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.999999-23:59",
    "0001-01-01",
    "9999-12-31",
    "2020-02-30",
    "-262143-01-01",
    "00000000-0000-0000-0000-000000000000",
    "null",
    "[]",
    "[" * 5000,
    "'; DROP TABLE accounts_user; --",
    "id) UNION SELECT password FROM accounts_user --",
    "a'b\"c\\",
    "%' AND pg_sleep(9) --",
    "request->>'a'='b",
    "../../../../etc/passwd",
    "/etc/passwd",
    "{{7*7}}{%x%}%s%(a)s{0}",
    "<script>alert(1)</script>",
    "a\r\nX-Own: yes",
    "\x1b[31mred\x1b[0m",
    "\u202ergb\u2069",
    "ﷺ" * 50,
    "é" * 200,
    "(" * 3000,
    "a,b,,c",
    "__class__",
)
VALUES = (
    None,
    True,
    [],
    {},
    [None],
    {"": None},
    -1,
    0,
    2**31,
    2**53,
    2**63,
    2**64,
    10**400,
    -(10**400),
    0.1,
    1e308,
    -1e308,
    5e-324,
    -0.0,
    math.nan,
    math.inf,
    -math.inf,
    *TEXTS,
)


def deep(depth=DEEP):
    """A list in a list in a list, as JSON that no encoder would write."""
    return "[" * depth + "]" * depth


RAW = (
    b"",
    b"null",
    b"[]",
    b"0",
    b'"text"',
    b"{",
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    b"\0",
    b'{"a": 1, "a": 2}',
    b'{"\\u0000": "\\u0000"}',
    b'{"\\ud800": "\\ud800"}',
    deep(100_000).encode(),
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b"9" * 100_000,
    b"{" + b" " * 1_000_000 + b"}",
)
KINDS = (
    "application/json",
    "application/json; charset=nonsense",
    "application/json; charset=utf-7",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "multipart/form-data; boundary=" + "y" * 300,
    "application/octet-stream",
    "\u2603/\u2603",
    "",
)


def in_address(text):
    """The text as part of an address, lone surrogates in the bytes a careless client sends."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def altered(body, values=VALUES):
    """The body with one of its values, at any depth, replaced by each of ``values``."""
    for place in places(body):
        for value in values:
            yield place, replaced(body, place, value)


def places(given, at=()):
    """Where values stand in a body: a tuple of keys each."""
    if at:
        yield at
    inner = given.items() if isinstance(given, dict) else ()
    if isinstance(given, list):
        inner = enumerate(given)
    for key, value in inner:
        yield from places(value, (*at, key))


def replaced(given, place, value):
    """A copy with ``value`` at ``place``, which may be new."""
    if not place:
        return value
    key, *rest = place
    if isinstance(given, list):
        return [replaced(v, rest, value) if i == key else v for i, v in enumerate(given)]
    base = given if isinstance(given, dict) else {}
    return {**base, key: replaced(base.get(key), rest, value)}


def written(body):
    """JSON with NaN, Infinity and lone surrogates as they come, which Python's writer allows."""
    return json.dumps(body)
