"""A user's strategy as a text: what it declares and what is wrong with it, read and never run.

This is for people who write; it holds nothing back. What holds is the sandbox.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apps.core.errors import Invalid
from apps.market.kernel.bars import FIELDS
from apps.strategies.kernel.interface import Parameter, Params, Spec, check_params
from apps.strategies.kernel.warmups import bars_of, check_warmup

MOST_BYTES = 40_000
KINDS = ("int", "float", "bool", "choice", "text")
EXTRAS = ("funding", "open_interest", "long_short_ratio")
# What the sandbox has; anything else is not there to be imported.
PACKAGES = ("numpy", "pandas", "talib")
PLAIN = frozenset(
    {
        "__future__",
        "bisect",
        "collections",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "heapq",
        "itertools",
        "json",
        "math",
        "operator",
        "random",
        "re",
        "statistics",
        "string",
        "typing",
    }
)
NO_USE = frozenset(
    {
        "__import__",
        "breakpoint",
        "compile",
        "eval",
        "exec",
        "exit",
        "getattr",
        "globals",
        "input",
        "locals",
        "open",
        "quit",
    }
)
ENTRIES = {"targets": 2, "prepare": 2, "decide": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a line: an ``error`` is refused, a ``warning`` will fail when it runs."""

    line: int
    column: int
    code: str
    message: str
    level: str = "error"


@dataclass(frozen=True, slots=True)
class Declared:
    """What a text says of itself: its ``spec``, how long it warms up, which functions it has."""

    spec: Spec
    warmup: str
    entries: tuple[str, ...]
    places_orders: bool = False

    def warmup_bars(self, params: Params) -> int:
        """Return how many bars must have closed. Raises ``Invalid``."""
        return bars_of(self.warmup, params)


def digest_of_text(text: str) -> str:
    """Return the sha-256 of a text's bytes: what an approval stands for."""
    return hashlib.sha256(text.encode()).hexdigest()


def check(text: str) -> list[Finding]:
    """Return everything found wrong, by line; nothing of the text is run."""
    tree, refused = _parse(text)
    if tree is None:
        return refused
    _, findings = _declared("strategy", tree)
    found = [*findings, *_imports(tree), *_names(tree)]
    return sorted(found, key=lambda one: (one.line, one.column, one.code))


def read(name: str, text: str) -> Declared:
    """Return what the text of strategy ``name`` declares.

    Raises ``Invalid`` for the first error, with its code, line and column.
    """
    tree, refused = _parse(text)
    declared, findings = _declared(name, tree) if tree else (None, refused)
    errors = sorted(
        (one for one in findings if one.level == "error"), key=lambda one: (one.line, one.column)
    )
    if errors or declared is None:
        first = errors[0]
        details = {"field": "text", "line": first.line, "column": first.column}
        message = f"Line {first.line}: {first.message}"
        raise Invalid(message, code=first.code, details=details)
    return declared


def line_of(text: str, entry: str) -> int | None:
    """Return where a function returns, if it does so in one place; else where it begins."""
    tree, _ = _parse(text)
    for node in tree.body if tree else ():
        if isinstance(node, ast.FunctionDef) and node.name == entry:
            returns = [one.lineno for one in ast.walk(node) if isinstance(one, ast.Return)]
            return returns[0] if len(returns) == 1 else node.lineno
    return None


def _parse(text: str) -> tuple[ast.Module | None, list[Finding]]:
    size = len(text.encode(errors="replace"))
    if size > MOST_BYTES:
        message = f"the text takes {size} bytes; a strategy has at most {MOST_BYTES}"
        return None, [Finding(1, 1, "code.too_long", message)]
    try:
        return ast.parse(text), []
    except SyntaxError as error:
        line, column = error.lineno or 1, max(error.offset or 1, 1)
        return None, [Finding(line, column, "code.syntax", error.msg or "not Python")]
    except (ValueError, RecursionError, MemoryError) as error:
        return None, [Finding(1, 1, "code.syntax", f"the text can't be read: {error}")]


def _declared(name: str, tree: ast.Module) -> tuple[Declared | None, list[Finding]]:
    """Return what the top level declares, as far as it is right, and what is wrong."""
    reader = _Reader(tree)
    parameters = reader.parameters()
    inputs = reader.inputs()
    spec = Spec(
        name=name,
        title=str(reader.literal("TITLE", str, name)),
        about=str(reader.literal("ABOUT", str, "")),
        source="own code",
        parameters=parameters,
        inputs=inputs,
        across=True,
    )
    reader.check_defaults(spec)
    warmup = str(reader.literal("WARMUP", (int, str), 0))
    reader.check_warmup(warmup, {one.name: one.default for one in parameters})
    entries = reader.entries()
    orders = reader.places_orders(entries)
    reader.check_asked({one.name for one in parameters})
    wrong = any(one.level == "error" for one in reader.found)
    return (None if wrong else Declared(spec, warmup, entries, orders)), reader.found


class _Reader:
    """Reads the constants and functions of a module's top level, and keeps what is wrong."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.found: list[Finding] = []
        self.constants: dict[str, ast.expr] = {}
        self.functions: dict[str, ast.FunctionDef] = {}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                self.functions[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.constants[node.targets[0].id] = node.value
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                self.constants[ast.unparse(node.target)] = node.value

    def say(self, node: ast.AST | None, code: str, message: str, level: str = "error") -> None:
        """Keep a finding at a node's place."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        self.found.append(Finding(line, column, code, message, level))

    def places_orders(self, entries: tuple[str, ...]) -> bool:
        """Return whether ``decide`` may answer with orders, which the text has to say."""
        node = self.constants.get("PLACES_ORDERS")
        if node is None:
            return False
        if not (isinstance(node, ast.Constant) and isinstance(node.value, bool)):
            self.say(node, "code.literal", "PLACES_ORDERS is True or False")
            return False
        if node.value and ("targets" in entries or "decide" not in entries):
            words = "orders rest on what was filled: define decide(view, params), not targets"
            self.say(node, "code.orders", words)
        return node.value

    def literal(self, name: str, kinds: Any, default: Any) -> Any:
        """Return a constant's value; what is not written out plainly is a finding."""
        node = self.constants.get(name)
        if node is None:
            return default
        try:
            value = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            self.say(node, "code.literal", f"{name} must be written out: no calls, no names")
            return default
        if not isinstance(value, kinds) or isinstance(value, bool):
            self.say(node, "code.literal", f"{name} can't be a {type(value).__name__}")
            return default
        return value

    def parameters(self) -> tuple[Parameter, ...]:
        """Return the declared parameters."""
        given = self.literal("PARAMETERS", dict, {})
        node = self.constants.get("PARAMETERS")
        found = []
        for name, fields in given.items():
            if not (isinstance(name, str) and name.isidentifier() and isinstance(fields, dict)):
                self.say(node, "code.parameters", f"{name!r}: a name and its fields are expected")
                continue
            try:
                parameter = Parameter(name=name, **fields)
            except TypeError:
                words = "has the fields kind, default, low, high, unit, about and choices"
                self.say(node, "code.parameters", f"parameter {name!r} {words}; kind and default")
                continue
            if parameter.kind not in KINDS:
                words = f"kind {parameter.kind!r} is none of {', '.join(KINDS)}"
                self.say(node, "code.parameters", f"parameter {name!r}: {words}")
                continue
            found.append(parameter)
        return tuple(found)

    def check_defaults(self, spec: Spec) -> None:
        """Keep a finding for a default outside its own range."""
        try:
            check_params(spec, {})
        except Invalid as error:
            self.say(self.constants.get("PARAMETERS"), "code.parameters", error.message)
        except TypeError:
            words = "low and high are numbers, choices are a tuple of texts"
            self.say(self.constants.get("PARAMETERS"), "code.parameters", words)

    def inputs(self) -> tuple[str, ...]:
        """Return what the strategy reads."""
        given = self.literal("INPUTS", (list, tuple), ["close"])
        known = (*FIELDS, *EXTRAS)
        wrong = [one for one in given if one not in known]
        if wrong:
            words = f"{wrong[0]!r} is no input; there are {', '.join(known)}"
            self.say(self.constants.get("INPUTS"), "code.inputs", words)
        return tuple(str(one) for one in given)

    def check_warmup(self, text: str, defaults: Params) -> None:
        """Keep a finding for a warm-up that is no sum of parameters."""
        try:
            check_warmup(text, defaults)
        except Invalid as error:
            self.say(self.constants.get("WARMUP"), "code.warmup", error.message)

    def entries(self) -> tuple[str, ...]:
        """Return which of the functions that the lab calls are there."""
        for name, count in ENTRIES.items():
            node = self.functions.get(name)
            if node is not None and not _takes(node.args, count):
                first = "view" if name == "decide" else "panel"
                self.say(node, "code.arguments", f"{name} takes ({first}, params)")
        if not {"targets", "decide"} & self.functions.keys():
            words = "define targets(panel, params), or decide(view, params) with prepare"
            self.say(None, "code.no_entry", words)
        return tuple(name for name in ENTRIES if name in self.functions)

    def check_asked(self, known: set[str]) -> None:
        """Keep a finding for ``params["name"]`` that is not declared."""
        for node in ast.walk(self.tree):
            if (
                isinstance(node, ast.Subscript)
                and isinstance(node.value, ast.Name)
                and node.value.id == "params"
                and isinstance(node.slice, ast.Constant)
                and node.slice.value not in known
            ):
                words = f"no parameter {node.slice.value!r} is declared in PARAMETERS"
                self.say(node, "code.unknown_parameter", words)


def _takes(args: ast.arguments, count: int) -> bool:
    least = len(args.posonlyargs) + len(args.args) - len(args.defaults)
    most = len(args.posonlyargs) + len(args.args)
    needed = any(default is None for default in args.kw_defaults)
    return not needed and least <= count and (count <= most or args.vararg is not None)


def _imports(tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ("." * node.level)]
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        for name in names:
            if name.partition(".")[0] not in {*PACKAGES, *PLAIN}:
                words = f"{name} is of no use in the sandbox; there are {', '.join(PACKAGES)}"
                words = f"{words}, math and the like"
                yield Finding(line, column, "code.import", words, "warning")


def _names(tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in NO_USE:
            words = f"{node.id} reaches for what the sandbox does not have"
            yield Finding(node.lineno, node.col_offset + 1, "code.name", words, "warning")
