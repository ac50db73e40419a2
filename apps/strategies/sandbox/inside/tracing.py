"""Where in a text something later gets in: every value it makes, noted in two runs and compared.

The text is changed so that each expression hands its value on through ``note``. It runs on the
bars as they are and on bars with another future; a value that belongs to a known bar and differs
is suspect. What is to blame is tried: with the first run's values in its place, do the answers
become the same again?
"""

# ruff: noqa: BLE001 whatever a user's text raises ends the search
from __future__ import annotations

import ast
import copy
import time
from collections.abc import Callable
from types import CodeType
from typing import Any

import numpy as np

MOST_EVENTS = 60_000
MOST_BYTES = 200_000_000
MOST_SUSPECTS = 30
TOLERANCE = 1e-9
WRAPPED = (
    ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.IfExp, ast.Subscript,
    ast.ListComp, ast.DictComp,
)  # fmt: skip
NOTE, SEE, AT, OVER = "__note__", "__see__", "__at__", "__over__"
HELD = np.ndarray | float | int | bool | np.generic


class TooMuch(Exception):
    """More values than can be kept."""


class Noted(ast.NodeTransformer):
    """Let every expression within functions hand its value on, and loops tell where they are."""

    def __init__(self) -> None:
        self.places: list[tuple[int, int]] = []
        self.depth = 0

    def number(self, node: Any) -> ast.Constant:
        """Return the number of a new place in the text."""
        self.places.append((node.lineno, node.col_offset + 1))
        return ast.Constant(len(self.places) - 1)

    def visit_FunctionDef(self, node: Any) -> Any:
        """Change what is within, not what is declared."""
        self.depth += 1
        node.body = self.block(node.body)
        self.depth -= 1
        return node

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        """Change what a small function returns."""
        node.body = self.visit(node.body)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """Leave what is declared of a type."""
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_JoinedStr(self, node: Any) -> Any:
        """Leave words."""
        return node

    def visit_match_case(self, node: Any) -> Any:
        """Leave patterns."""
        node.body = self.block(node.body)
        return node

    def generic_visit(self, node: Any) -> Any:
        """Wrap expressions, from within."""
        for name, value in ast.iter_fields(node):
            if name in ("body", "orelse", "finalbody") and isinstance(value, list):
                setattr(node, name, self.block(value))
            elif isinstance(value, list):
                value[:] = [self.visit(one) if isinstance(one, ast.AST) else one for one in value]
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))
        is_read = isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        if self.depth and isinstance(node, WRAPPED) and is_read:
            return call(NOTE, node, self.number(node), node)
        return node

    def block(self, body: list[Any]) -> list[Any]:
        """Return statements, each followed by a look at what it changed in place."""
        out: list[Any] = []
        for node in body:
            if not self.depth:
                out.append(self.visit(node))
                continue
            changed = list(changed_by(node))
            loop = self.loop(node)
            done = self.visit(node)
            if loop is not None:
                done = self.counted(done, *loop)
            out.append(done)
            out += [
                ast.copy_location(ast.Expr(call(SEE, node, self.number(node), one)), node)
                for one in changed
            ]
        return out

    def loop(self, node: Any) -> tuple[ast.Constant, str] | None:
        """Return the number of a loop and the name that counts in it."""
        name = None
        if isinstance(node, ast.For):
            target = node.target
            first = target.elts[0] if isinstance(target, ast.Tuple) else target
            name = first.id if isinstance(first, ast.Name) else None
        elif isinstance(node, ast.While):
            read = {one.id for one in ast.walk(node.test) if isinstance(one, ast.Name)}
            made = [one for one in ast.walk(node) if isinstance(one, ast.Name)]
            names = [one.id for one in made if isinstance(one.ctx, ast.Store) and one.id in read]
            name = names[0] if names else None
        return None if name is None else (self.number(node), name)

    @staticmethod
    def counted(node: Any, number: ast.Constant, name: str) -> Any:
        """Return a loop that tells each turn, and its end."""
        at = call(AT, node, number, ast.Name(name, ast.Load()))
        node.body.insert(0, ast.copy_location(ast.Expr(at), node))
        over = ast.copy_location(ast.Expr(call(OVER, node, number)), node)
        return ast.copy_location(ast.Try([node], [], [], [over]), node)

    def visit_ListComp(self, node: Any) -> Any:
        """Let a comprehension tell each turn too."""
        return self.comprehended(node)

    visit_DictComp = visit_GeneratorExp = visit_SetComp = visit_ListComp  # noqa: N815

    def comprehended(self, node: Any) -> Any:
        """Return a comprehension whose first loop tells where it is."""
        target = node.generators[0].target
        first = target.elts[0] if isinstance(target, ast.Tuple) else target
        if not self.depth or not isinstance(first, ast.Name):
            return self.generic_visit(node)
        number, name = self.number(node), first.id
        found = self.generic_visit(node)
        inner: Any = found.args[1] if isinstance(found, ast.Call) and found is not node else found
        at = call(AT, node, number, ast.Name(name, ast.Load()))
        inner.generators[0].ifs.insert(0, at)
        if isinstance(inner, ast.GeneratorExp):
            return found
        return call(OVER, node, number, found)


def call(name: str, at: Any, *given: Any) -> ast.Call:
    """Return a call at a node's place."""
    return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), list(given), []), at)


def changed_by(node: Any) -> Any:
    """Yield what a statement may change in place, to be looked at after it."""
    targets: list[Any] = []
    if isinstance(node, ast.Assign):
        targets = [one for one in node.targets if isinstance(one, ast.Subscript | ast.Attribute)]
        targets = [one.value for one in targets]
    elif isinstance(node, ast.AugAssign):
        target = node.target
        targets = [target if isinstance(target, ast.Name) else target.value]
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        targets = [one for one in ast.walk(node.value) if isinstance(one, ast.Name)]
        called = node.value.func
        targets = [one for one in targets if one is not called]
    seen = set()
    for one in targets:
        while isinstance(one, ast.Subscript | ast.Attribute):
            one = one.value
        if isinstance(one, ast.Name) and one.id not in seen:
            seen.add(one.id)
            yield ast.Name(one.id, ast.Load())


def noted(text: str, name: str) -> tuple[CodeType, list[tuple[int, int]]]:
    """Return a text that notes every value, and the places of its notes."""
    noting = Noted()
    tree = noting.visit(ast.parse(text, name))
    code = compile(ast.fix_missing_locations(tree), name, "exec", dont_inherit=True)
    return code, noting.places


class Tape:
    """The values of one run, by place, turn of loops and time of passing."""

    def __init__(self, n_bars: int) -> None:
        self.n_bars = n_bars
        self.values: dict[Any, Any] = {}
        self.passed: dict[Any, int] = {}
        self.turns: dict[int, int] = {}
        self.most: dict[int, int] = {}
        self.size = 0
        # Places at which another run's values are put in, and the judge of what is to be.
        self.mend: Callable[[Any, Any], Any] | None = None
        self.mended: set[int] | None = None

    def names(self) -> dict[str, Any]:
        """Return the functions that the changed text calls."""
        return {NOTE: self.note, SEE: self.see, AT: self.at, OVER: self.over}

    def key(self, number: int) -> Any:
        """Return what tells this passing from all others."""
        turns = tuple(self.turns.items())
        count = self.passed.get((number, turns), 0)
        self.passed[(number, turns)] = count + 1
        return (number, turns, count)

    def note(self, number: int, value: Any) -> Any:
        """Keep a value, or put another in its place; hand it on."""
        if self.mended is not None and number not in self.mended:
            return value
        key = self.key(number)
        if isinstance(value, tuple) and any(isinstance(one, np.ndarray) for one in value):
            parts = [self.hand_on((*key, k), one) for k, one in enumerate(value)]
            return tuple(parts) if type(value) is tuple else type(value)(*parts)
        return self.hand_on(key, value)

    def hand_on(self, key: Any, value: Any) -> Any:
        """Keep a value, or return what is to be put in its place."""
        if self.mend is not None:
            return self.mend(key, value)
        self.keep(key, value)
        return value

    def see(self, number: int, value: Any) -> None:
        """Keep what a value has become, or change it in place."""
        if self.mended is not None and number not in self.mended:
            return
        key = self.key(number)
        if self.mend is None:
            self.keep(key, value)
            return
        other = self.mend(key, value)
        if other is value:
            return
        if isinstance(value, np.ndarray) and value.flags.writeable:
            value[...] = other
        elif isinstance(value, list):
            value[:] = other
        elif hasattr(value, "iloc"):
            value.iloc[:] = getattr(other, "values", other)

    def keep(self, key: Any, value: Any) -> None:
        """Keep a copy of what can be compared. Raises ``TooMuch``."""
        found = plain(value)
        if found is None:
            return
        self.size += getattr(found, "nbytes", 32)
        if len(self.values) > MOST_EVENTS or self.size > MOST_BYTES:
            raise TooMuch
        labels = labels_of(value, self.n_bars)
        self.values[key] = (np.array(found), labels)

    def at(self, number: int, value: Any) -> bool:
        """Note the turn of a loop."""
        if isinstance(value, int | np.integer):
            self.turns[number] = int(value)
            self.most[number] = max(self.most.get(number, 0), int(value))
        return True

    def over(self, number: int, value: Any = None) -> Any:
        """Note that a loop is over."""
        self.turns.pop(number, None)
        return value


def plain(value: Any) -> Any:
    """Return a value as an array of numbers, None for what is none."""
    if isinstance(value, np.ndarray | float | int | bool | np.generic):
        found = np.asarray(value)
    elif hasattr(value, "select_dtypes"):
        # Of a table with words or times beside its figures, the figures.
        found = np.asarray(figures_of(value).to_numpy())
    elif hasattr(value, "to_numpy") and hasattr(value, "shape"):
        found = np.asarray(value.to_numpy())
    elif isinstance(value, list | tuple) and value and isinstance(value[0], HELD):
        try:
            found = np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            return None
    else:
        return None
    return found if found.dtype.kind in "fiubMc" else None


def figures_of(table: Any) -> Any:
    """Return the columns of a table that hold numbers, all where there are no others."""
    kinds = [kind.kind for kind in table.dtypes]
    return table if {*kinds} <= {*"fiub"} else table.select_dtypes(("number", "bool"))


def labels_of(value: Any, n_bars: int) -> Any:
    """Return the labels of rows, in microseconds or as bars, where there are such."""
    index = getattr(value, "index", None)
    if index is None or not hasattr(index, "dtype") or len(index) == n_bars:
        return None
    if index.dtype.kind == "M":
        return np.asarray(index.to_numpy(), dtype="datetime64[us]").astype(np.int64)
    if index.dtype.kind == "i" and len(index) and index.min() >= 0 and index.max() < n_bars:
        return -1 - np.asarray(index, dtype=np.int64)
    return None


class Judge:
    """Tells which values of a run belong to a bar that is known and yet differ."""

    def __init__(self, cut: int, panels: tuple[Any, Any]) -> None:
        self.cut, self.n_assets = cut, panels[0].n_assets
        self.n_bars, self.n_others = panels[0].n_bars, panels[1].n_bars
        self.time_of_cut = int(panels[0].ts[cut])
        self.bar_loops: set[int] = set()

    def learn(self, tape: Tape) -> None:
        """See which loops go over bars."""
        self.bar_loops = {one for one, most in tape.most.items() if most >= self.n_bars // 2}

    def bar(self, key: Any) -> int | None:
        """Return the bar of a passing, None outside loops over bars."""
        bars = [value for loop, value in key[1] if loop in self.bar_loops]
        return bars[-1] if bars else None

    def axis(self, values: Any) -> int | None:
        """Return along which axis bars lie."""
        return next((k for k, size in enumerate(values.shape) if size == self.n_bars), None)

    def is_suspect(self, key: Any, whole: Any, other: Any) -> bool:
        """Tell whether a value differs that should not."""
        (one, labels), (two, _) = whole, other
        axis = self.axis(one)
        if self.n_bars != self.n_others:
            return self.is_suspect_in_part(one, two, axis)
        if one.shape != two.shape:
            return (self.bar(key) or 0) <= self.cut
        apart = differing(one, two)
        if not apart.any():
            return False
        if axis is not None:
            return bool(np.take(apart, np.arange(self.cut + 1), axis).any())
        if labels is not None and len(labels) == len(one):
            known = labels <= self.time_of_cut if labels[0] >= 0 else -1 - labels <= self.cut
            return bool(apart[known].any())
        bar = self.bar(key)
        if bar is not None:
            return bar <= self.cut
        return self.is_out_of_time(one, apart)

    def is_suspect_in_part(self, one: Any, two: Any, axis: int | None) -> bool:
        """Tell the same where the other run knows fewer bars."""
        if axis is None or one.ndim != two.ndim or two.shape[axis] != self.n_others:
            return False
        known = np.arange(self.cut + 1)
        parts = (np.take(one, known, axis), np.take(two, known, axis))
        return parts[0].shape == parts[1].shape and bool(differing(*parts).any())

    def is_out_of_time(self, values: Any, apart: Any) -> bool:
        """Tell whether what differs can't be the later rows of something in order of time."""
        if values.ndim == 0 or len(values) == self.n_assets or values.dtype.kind == "c":
            return True
        rows = apart.reshape(len(apart), -1).any(axis=1)
        short = self.n_bars - len(values)
        if 0 < short <= self.n_bars // 2:
            return bool(rows[: max(self.cut + 1 - short, 0)].any())
        first = int(rows.argmax())
        return first == 0 or not rows[first:].all()

    def mended(self, value: Any, whole: Any) -> Any:
        """Return a value with what is known taken from the run on the bars as they are."""
        kept, _ = whole
        found = plain(value)
        if found is None or (found.shape != kept.shape and hasattr(value, "iloc")):
            return value
        if found.shape != kept.shape:
            return like(value, kept.copy())
        axis = self.axis(kept)
        out = kept.copy()
        if axis is not None:
            out = np.array(found)
            known = [slice(None)] * out.ndim
            known[axis] = slice(0, self.cut + 1)
            out[tuple(known)] = kept[tuple(known)]
        return like(value, out)


def like(value: Any, out: Any) -> Any:
    """Return numbers in the shape of ``value``: an array, a table, a list, a number."""
    if isinstance(value, np.ndarray):
        return out
    if hasattr(value, "iloc"):
        made = value.copy()
        if hasattr(value, "select_dtypes") and out.shape != value.shape:
            made[figures_of(value).columns] = out
        else:
            made.iloc[:] = out
        return made
    if isinstance(value, list | tuple):
        return type(value)(out.tolist())
    return out.item() if out.ndim == 0 else out


def differing(one: Any, two: Any) -> Any:
    """Tell where two arrays differ by more than the order of a sum can explain."""
    if one.dtype.kind == "M" or two.dtype.kind == "M":
        return one != two
    if one.ndim == two.ndim == 0 and one.dtype.kind == two.dtype.kind == "f":
        return np.asarray(not same(float(one), float(two)))
    if one.shape == two.shape and (one == two).all():
        return np.zeros(one.shape, bool)
    if "c" not in (one.dtype.kind, two.dtype.kind):
        one, two = one.astype(float), two.astype(float)
    with np.errstate(all="ignore"):
        near = np.abs(one - two) <= TOLERANCE * np.maximum(np.abs(one), np.abs(two)) + 1e-15
    return ~((one == two) | near | (np.isnan(one) & np.isnan(two)))


def same(one: float, two: float) -> bool:
    """Tell the same of two numbers: loops over bars have thousands of them."""
    if one == two or (one != one and two != two):
        return True
    return abs(one - two) <= TOLERANCE * max(abs(one), abs(two)) + 1e-15


Run = Callable[..., Any]


class Search:
    """Looks for the places of a text that are to blame.

    Parameters
    ----------
    run
        ``run(tape, is_other=…)`` runs the changed text on the bars as they are or on the others,
        and returns its answers.
    """

    def __init__(self, run: Run, judge: Judge, seconds: float) -> None:
        self.run, self.judge = run, judge
        self.until = time.monotonic() + seconds
        self.whole, self.other = Tape(judge.n_bars), Tape(judge.n_others)
        self.wanted: Any = None

    def find(self) -> int | None:
        """Return the number of the place, None when no value differs that should not."""
        self.wanted = self.run(self.whole, is_other=False)
        self.judge.learn(self.whole)
        found = self.run(self.other, is_other=True)
        suspects = suspects_of(self.judge, self.whole, self.other)
        if not suspects or self.wanted.shape != found.shape:
            return suspects[0] if suspects else None
        chosen: list[int] = []
        for one in suspects[:MOST_SUSPECTS]:
            chosen.append(one)
            if self.is_late:
                break
            if self.is_mended_by(chosen):
                return self.needed(chosen)
        return suspects[0]

    @property
    def is_late(self) -> bool:
        """Whether the time for it is over."""
        return time.monotonic() > self.until

    def needed(self, chosen: list[int]) -> int:
        """Return the first of the places that can't be left out, the later ones left out first."""
        kept = list(chosen)
        for one in reversed(chosen):
            rest = [place for place in kept if place != one]
            if rest and not self.is_late and self.is_mended_by(rest):
                kept = rest
        return kept[0]

    def is_mended_by(self, chosen: list[int]) -> bool:
        """Tell whether answers become the same again with the known values of some places."""
        tape = Tape(self.judge.n_others)

        def mend(key: Any, value: Any) -> Any:
            if key not in self.whole.values:
                return value
            now = plain(value)
            whole = self.whole.values[key]
            if now is None or not self.judge.is_suspect(key, whole, (now, None)):
                return value
            return self.judge.mended(value, whole)

        tape.mend, tape.mended = mend, {*chosen}
        try:
            got = self.run(tape, is_other=True)
        except Exception:
            return False
        rows = slice(0, self.judge.cut + 1)
        return not bool(differing(self.wanted[rows], got[rows]).any())


def suspects_of(judge: Judge, whole: Tape, other: Tape) -> list[int]:
    """Return the places with values that differ and should not, in the order they came."""
    # Passings that belong to no bar by themselves: how many, and how many of them differ.
    counts: dict[int, list[int]] = {}
    order: dict[int, bool] = {}
    for key, value in other.values.items():
        if key not in whole.values:
            continue
        is_of_bar = judge.bar(key) is not None
        seen = counts.setdefault(key[0], [0, 0])
        seen[0] += not is_of_bar
        if judge.is_suspect(key, whole.values[key], value):
            seen[1] += not is_of_bar
            order[key[0]] = order.get(key[0], False) or is_of_bar
    return [one for one, sure in order.items() if sure or not is_in_order(judge, *counts[one])]


def is_in_order(judge: Judge, passed: int, apart: int) -> bool:
    """Tell whether a place was passed about once a bar and differs only as often as bars are new.

    A function that pandas calls with each window has no bar to be known by.
    """
    share = (judge.n_bars - judge.cut) / judge.n_bars
    return bool(passed >= judge.n_bars // 2 and apart <= 1.1 * share * passed + 1)


def trace(
    text: str, name: str, load: Callable[[CodeType, dict[str, Any]], Any],
    panels: tuple[Any, Any], params: dict[str, Any], cut: int, seconds: float,
) -> tuple[int, int] | None:  # fmt: skip
    """Return where a text's ``targets`` comes to know something later, if that can be told.

    Parameters
    ----------
    load
        Runs the changed text's top level with some names given, and returns its ``targets``.
    """
    code, places = noted(text, name)
    judge = Judge(cut, panels)

    def run(tape: Tape, *, is_other: bool) -> Any:
        function = load(code, tape.names())
        found = function(panels[int(is_other)], copy.deepcopy(params))
        return np.asarray(found, dtype=float)

    try:
        found = Search(run, judge, seconds).find()
    except TooMuch:
        return None
    return None if found is None else places[found]
