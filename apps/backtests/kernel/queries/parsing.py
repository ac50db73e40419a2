"""From text to the tree of a search; every refusal points at a column.

Grammar, loosest first::

    search  = and {"or" and}
    and     = not {["and"] not}
    not     = {"not"} one
    one     = "(" search ")" | "tag:" word | flag | words
            | name op value | name ["not"] "in" "(" value {"," value} ")"
            | name "is" ("set" | "empty") | name ":" value
    op      = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from apps.backtests.kernel.queries.names import (
    FIGURES,
    FLAGS,
    NUMBERS,
    ROOTS,
    TEXTS,
    TIMES,
    nearest,
)
from apps.backtests.kernel.queries.nodes import (
    And,
    Compare,
    Flag,
    Name,
    Node,
    Not,
    Or,
    Value,
    Words,
)
from apps.core.errors import Invalid

LONGEST = 2000
DEEPEST = 20
MOST_TERMS = 100
MOST_VALUES = 200
LONGEST_WORDS = 200

TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<date>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?Z?)?(?![\w.-]))
      | (?P<op><=|>=|!=|!~|==|=|~|<|>|\(|\)|,|:)
      | (?P<word>(?:[^\s()"'<>=!~,:])+)
    )""",
    re.VERBOSE,
)
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?%?")
KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=", "~", "!~", ":")
BY_SIZE = ("<", "<=", ">", ">=")
KEYWORDS = ("and", "or", "not", "in", "is")
TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: what it is, as read, and the column it begins at (from 1)."""

    kind: str
    text: str
    column: int


def parse(text: str) -> Node | None:
    """Return the tree of a search, or None for an empty one.

    Raises
    ------
    Invalid
        ``query.syntax`` with the column and what was expected there, ``query.too_large``.
    """
    if len(text) > LONGEST:
        message = f"The search has {len(text)} characters; at most {LONGEST} are read."
        raise _refusal(message, LONGEST + 1, "query.too_large")
    tokens = _tokens(text)
    return _Parser(tokens).whole() if len(tokens) > 1 else None


def _refusal(message: str, column: int, code: str = "query.syntax") -> Invalid:
    return Invalid(message, code=code, details={"field": "q", "column": column})


def _tokens(text: str) -> list[Token]:
    found, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None or "\0" in match[0]:
            column = at + len(text[at:]) - len(text[at:].lstrip()) + 1
            message = (
                f"Column {column}: {text[column - 1]!r} can't be read here; close the quotation "
                "or put the text in quotes."
            )
            raise _refusal(message, column)
        kind = str(match.lastgroup)
        piece = match[kind]
        if kind == "quoted":
            piece = re.sub(r"\\(.)", r"\1", piece[1:-1], flags=re.DOTALL)
        found.append(Token(kind, piece, match.start(kind) + 1))
        at = match.end()
    return [*found, Token("end", "", len(text) + 1)]


class _Parser:
    """Reads tokens from the left; each method leaves ``self.token`` at what follows."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens, self.at, self.depth, self.terms = tokens, 0, 0, 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.token
        self.at += 1
        return token

    def is_word(self, *words: str) -> bool:
        return self.token.kind == "word" and self.token.text.lower() in words

    def is_op(self, *texts: str) -> bool:
        return self.token.kind == "op" and self.token.text in texts

    def expected(self, what: str) -> Invalid:
        token = self.token
        there = f"{token.text!r}" if token.kind != "end" else "the end"
        return _refusal(f"Column {token.column}: {what} is expected, not {there}.", token.column)

    def whole(self) -> Node:
        node = self.any_of()
        if self.token.kind != "end":
            raise self.expected("and, or, or the end")
        return node

    def any_of(self) -> Node:
        parts = [self.all_of()]
        while self.is_word("or"):
            self.take()
            parts.append(self.all_of())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def all_of(self) -> Node:
        parts = [self.negated()]
        while True:
            if self.is_word("and"):
                self.take()
            elif self.token.kind == "end" or self.is_word("or") or self.is_op(")"):
                return parts[0] if len(parts) == 1 else And(tuple(parts))
            parts.append(self.negated())

    def negated(self) -> Node:
        count = 0
        while self.is_word("not"):
            self.take()
            count += 1
        node = self.one()
        return Not(node) if count % 2 else node

    def one(self) -> Node:
        self.terms += 1
        if self.terms > MOST_TERMS:
            message = f"A search has at most {MOST_TERMS} terms."
            raise _refusal(message, self.token.column, "query.too_large")
        if self.is_op("("):
            return self.nested()
        if self.token.kind not in {"word", "quoted", "date"} or self.is_word(*KEYWORDS):
            raise self.expected("a field, a flag, words or a parenthesis")
        token, follows = self.token, self.tokens[self.at + 1]
        compared = follows.kind == "op" and follows.text in (*COMPARISONS, "==")
        worded = follows.kind == "word" and follows.text.lower() in {"in", "is"}
        denied = follows.kind == "word" and follows.text.lower() == "not" and self.denies()
        if token.kind == "word" and (compared or worded or denied):
            self.take()
            return self.comparison(token)
        return self.words()

    def denies(self) -> bool:
        """Whether the word after the next is ``in``: ``strategy not in (...)``."""
        after = self.tokens[min(self.at + 2, len(self.tokens) - 1)]
        return after.kind == "word" and after.text.lower() == "in"

    def nested(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            message = f"Parentheses are nested more than {DEEPEST} deep."
            raise _refusal(message, self.token.column, "query.too_large")
        self.take()
        node = self.any_of()
        if not self.is_op(")"):
            raise self.expected(") or another condition")
        self.take()
        self.depth -= 1
        return node

    def words(self) -> Node:
        token = self.take()
        text = token.text.strip()
        if token.kind == "word" and text.lower() in FLAGS:
            return Flag(text.lower())
        if not text or len(text) > LONGEST_WORDS:
            message = f"Column {token.column}: words have 1 to {LONGEST_WORDS} characters."
            raise _refusal(message, token.column)
        return Words(text)

    def comparison(self, token: Token) -> Node:
        if token.text.lower() == "tag" and self.is_op(":"):
            return self.tagged()
        name = _name(token)
        if self.is_word("is"):
            return self.emptiness(name)
        if self.is_word("in", "not"):
            return self.membership(name)
        sign = self.take()
        op = {":": "=", "==": "="}.get(sign.text, sign.text)
        _check_op(name, op, sign)
        value = self.value(name, op)
        positive = Compare(name, op.removeprefix("!"), (value,))
        return Not(positive) if op.startswith("!") else positive

    def tagged(self) -> Node:
        self.take()
        key = self.take()
        if key.kind not in {"word", "quoted"} or not KEY.fullmatch(key.text):
            self.at -= 1
            raise self.expected("the key of a tag")
        name = Name("tags", key.text)
        if not self.is_op("=", "!="):
            return Not(Compare(name, "empty"))
        op = self.take().text
        positive = Compare(name, "=", (self.value(name, "="),))
        return Not(positive) if op == "!=" else positive

    def emptiness(self, name: Name) -> Node:
        self.take()
        denied = self.is_word("not")
        if denied:
            self.take()
        if not self.is_word("set", "empty"):
            raise self.expected("set or empty")
        empty = self.take().text.lower() == "empty"
        asked = Compare(name, "empty")
        return asked if empty != denied else Not(asked)

    def membership(self, name: Name) -> Node:
        denied = self.is_word("not")
        if denied:
            self.take()
        sign = self.take()
        _check_op(name, "in", sign)
        if not self.is_op("("):
            raise self.expected("( and a list of values")
        values: list[Value] = []
        while not values or self.is_op(","):
            self.take()
            values.append(self.value(name, "in"))
            if len(values) > MOST_VALUES:
                message = f"A list has at most {MOST_VALUES} values."
                raise _refusal(message, self.token.column, "query.too_large")
        if not self.is_op(")"):
            raise self.expected(", or )")
        self.take()
        asked = Compare(name, "in", tuple(values))
        return Not(asked) if denied else asked

    def value(self, name: Name, op: str) -> Value:
        if self.token.kind not in {"word", "quoted", "date"}:
            raise self.expected("a value")
        token = self.take()
        try:
            return _value(token, name, op)
        except ValueError as error:
            message = f"Column {token.column}: {error} is expected, not {token.text!r}."
            raise _refusal(message, token.column) from error


def _name(token: Token) -> Name:
    root, point, key = token.text.partition(".")
    root = root.lower()
    if point and root in ROOTS:
        if not KEY.fullmatch(key):
            message = f"Column {token.column}: a name is expected after {root}, not {key!r}."
            raise _refusal(message, token.column)
        return Name(root, key)
    if not point and root in {**NUMBERS, **TEXTS, **TIMES}:
        return Name(root)
    if not point and root in FIGURES:
        return Name("metrics", root)
    message = f"Column {token.column}: there is no field {token.text!r}; {nearest(token.text)}"
    raise _refusal(message, token.column)


def kind_of(name: Name) -> str:
    """Return what stands under a name: number, text, time, or any for a parameter."""
    if name.root in NUMBERS or name.root == "metrics":
        return "number"
    if name.root in TIMES:
        return "time"
    return "any" if name.root == "params" else "text"


def _check_op(name: Name, op: str, sign: Token) -> None:
    kind = kind_of(name)
    if kind == "text" and op in BY_SIZE:
        allowed = "=, !=, ~, !~ or in: it is text"
    elif kind in {"number", "time"} and op in {"~", "!~"}:
        allowed = f"=, !=, <, <=, > or >=: it is a {kind}"
    elif kind == "time" and op == "in":
        allowed = "<, <=, >, >= or =: it is a time"
    else:
        return
    message = f"Column {sign.column}: {name.root} takes {allowed}, not {sign.text}."
    raise _refusal(message, sign.column)


def _value(token: Token, name: Name, op: str) -> Value:
    """Return what was written, as the field takes it; ValueError says what was expected."""
    kind = kind_of(name)
    if kind == "text" or (kind == "any" and op in {"~", "!~"}):
        return Value(token.text, token.text)
    if kind == "time":
        return _time(token)
    if token.kind != "quoted" and NUMBER.fullmatch(token.text):
        return Value(_number(token.text), token.text)
    if kind == "number":
        raise ValueError("a number")
    if op in BY_SIZE:
        raise ValueError("a number (text has no order)")
    if token.kind == "word" and token.text.lower() in TRUTHS:
        return Value(TRUTHS[token.text.lower()], token.text)
    return Value(token.text, token.text)


def _number(text: str) -> float:
    number = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    if abs(number) > 1e300:
        raise ValueError("a number up to 1e300")
    return number


def _time(token: Token) -> Value:
    try:
        at = datetime.fromisoformat(token.text.removesuffix("Z"))
    except ValueError as error:
        raise ValueError("a date (2026-01-31) or a moment (2026-01-31T12:00, UTC)") from error
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    day = len(token.text) == len("2026-01-31")
    if day and at.year < 9999:
        return Value.of_day(at, token.text)
    return Value(at, token.text)
