"""The process that runs a user's text: fences first, then one message after another.

Messages come on descriptor 0, answers go to ``answers``, the trace of a process that hangs or
crashes to ``faults``. It holds no bar that it was not sent: what is not known yet can't be read.
"""

# ruff: noqa: BLE001 whatever a user's text raises is told
from __future__ import annotations

import ast
import builtins
import faulthandler
import io
import json
import os
import random
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from frames import (  # type: ignore[import-not-found]  # beside this file
    HEAD,
    read_exactly,
    write_frame,
)
from guard import LIBC, Missing, close_fences  # type: ignore[import-not-found]
from tracing import trace  # type: ignore[import-not-found]

TEXT = "<strategy>"
FIELDS = ("open", "high", "low", "close", "volume")
ENTRIES = ("targets", "prepare", "decide")
WANTED = ("weights", "orders", "cancel")
FIGURES = ("weights", "positions", "prices")
MOST_WORDS = 400
ROOM = 256
PR_SET_PDEATHSIG, SIGKILL = 1, 9


class OutputLimit(BaseException):
    """More was printed than is kept."""


class BadAnswer(Exception):
    """What a function returned is not what the lab asked it for."""


class Printed(io.TextIOBase):
    """Keeps what is printed, up to a limit."""

    def __init__(self, most: int, fd: int) -> None:
        self.most, self.size, self.fd = most, 0, fd
        self.parts: list[str] = []
        self.is_echoed = False

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, text: str) -> int:
        """Keep a text. Raises ``OutputLimit``."""
        self.size += len(text)
        if self.size > self.most:
            raise OutputLimit(f"more than {self.most} characters were printed")
        self.parts.append(str(text))
        if self.is_echoed:
            os.write(self.fd, text.encode(errors="replace"))
        return len(text)

    def take(self) -> str:
        """Return what was printed since the last time."""
        text = "".join(self.parts)
        self.parts.clear()
        return text


class Bars:
    """The bars that were sent so far; arrays grow as more come."""

    def __init__(self, meta: dict[str, Any], n_assets: int, extras: list[str]) -> None:
        self.meta, self.n_assets, self.count = meta, n_assets, 0
        self.extras = extras
        self.names = [*FIELDS, *(f"x_{name}" for name in extras)]
        self.arrays = {name: np.empty((0, n_assets)) for name in self.names}
        self.ts = np.empty(0, np.int64)

    def add(self, arrays: dict[str, Any]) -> None:
        """Take further bars."""
        stop = self.count + len(arrays["ts"])
        if stop > len(self.ts):
            room = max(stop, 2 * len(self.ts), ROOM) if self.count else stop
            self.ts = grown(self.ts, room, self.count)
            for name in self.names:
                self.arrays[name] = grown(self.arrays[name], room, self.count)
        self.ts[self.count : stop] = arrays["ts"]
        for name in self.names:
            self.arrays[name][self.count : stop] = arrays[name]
        self.count = stop

    def panel(self) -> Any:
        """Return all bars so far as a strategy sees them."""
        seen = {name: only_read(array[: self.count]) for name, array in self.arrays.items()}
        return SimpleNamespace(
            **self.meta,
            **{name: seen[name] for name in FIELDS},
            ts=only_read(self.ts[: self.count]),
            extras={name[2:]: array for name, array in seen.items() if name.startswith("x_")},
            n_bars=self.count,
            n_assets=self.n_assets,
        )


class Noting(ast.NodeTransformer):
    """Let a function's own returns tell their line: of a bad answer nothing else does."""

    def skip(self, node: Any) -> Any:
        """Leave functions within alone."""
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = visit_ClassDef = skip  # noqa: N815

    def visit_Return(self, node: ast.Return) -> Any:
        """Pass what is returned on, with its line."""
        name = ast.Name("__returns__", ast.Load())
        given = [ast.Constant(node.lineno), node.value or ast.Constant(None)]
        return ast.copy_location(ast.Return(ast.Call(name, given, [])), node)


def compiled(text: str) -> Any:
    """Return a text as code in which the functions that the lab calls note where they return."""
    tree, noting = ast.parse(text, TEXT), Noting()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in ENTRIES:
            node.body = [noting.visit(one) for one in node.body]
    return compile(ast.fix_missing_locations(tree), TEXT, "exec", dont_inherit=True)


class Held:
    """What the process holds between messages: the user's code and module, the bars so far."""

    def __init__(self) -> None:
        self.module, self.code = ModuleType("strategy"), compile("", TEXT, "exec")
        self.text = ""
        self.bars = Bars({}, 0, [])
        self.line: int | None = None

    def load(self, head: dict[str, Any], arrays: dict[str, Any]) -> Any:  # noqa: ARG002
        """Take a text, and run its top level."""
        self.text = head["text"]
        self.code = compiled(self.text)
        self._begin(0)
        return {}, {}

    def begin(self, head: dict[str, Any], arrays: dict[str, Any]) -> Any:  # noqa: ARG002
        """Hold no bars, and say of what they will be."""
        self.bars = Bars(head["meta"], head["n_assets"], head["extras"])
        return {}, {}

    def take_bars(self, head: dict[str, Any], arrays: dict[str, Any]) -> Any:  # noqa: ARG002
        """Take further bars."""
        self.bars.add(arrays)
        return {}, {}

    def targets(self, head: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Return target weights at the bars so far, or at the last of them alone."""
        if arrays:
            self.bars.add(arrays)
        self._begin(0)
        panel = self.bars.panel()
        shape = (panel.n_bars, panel.n_assets)
        found = floats(self.module.targets(panel, head["params"]), shape, "targets")
        return {}, {"targets": found[-1:] if head.get("last") else found}

    def place(self, head: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Return where the text makes what was known at a bar differ on other bars.

        Tells people where to look: nothing is decided by it.
        """
        other = Bars(self.bars.meta, self.bars.n_assets, sorted(self.bars.extras))
        other.add(arrays)
        panels = (self.bars.panel(), other.panel())
        found = trace(
            self.text, TEXT, self._load, panels, head["params"], head["cut"], head["within"]
        )
        return {"place": found}, {}

    def _load(self, code: Any, names: dict[str, Any]) -> Any:
        """Return ``targets`` of a changed text that calls the functions ``names``."""
        own, self.code = self.code, code
        try:
            self._begin(0, names)
        finally:
            self.code = own
        return self.module.targets

    def decide(self, head: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Return what is wanted at the last bar so far, and the memory after it."""
        if "ts" in arrays:
            self.bars.add(arrays)
        panel, memory, params = self.bars.panel(), head["memory"], head["params"]
        self._begin(panel.n_bars - 1)
        if not hasattr(self.module, "decide"):
            shape = (panel.n_bars, panel.n_assets)
            row = floats(self.module.targets(panel, params), shape, "targets")[-1]
            return {"memory": memory}, {"weights": row}
        view = SimpleNamespace(
            i=panel.n_bars - 1,
            ts=int(panel.ts[-1]),
            features=self._features(panel, params),
            tradable=arrays["tradable"],
            memory=memory,
        )
        if "equity" in head:
            view.equity = head["equity"]
            view.orders = [SimpleNamespace(**one) for one in head["orders"]]
            for name in FIGURES:
                setattr(view, name, arrays[f"held_{name}"])
        reply, weights = wanted(self.module.decide(view, params), panel)
        return {**reply, "memory": view.memory}, {"weights": weights}

    def run_script(self, head: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Run a text as a program, with ``data`` and ``sys.argv``."""
        sys.argv[:] = head["argv"]
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Printed):
                stream.is_echoed = True  # what was printed is known then, if it has to be ended
        self.module = ModuleType("__main__")
        self.module.__dict__.update(__builtins__=builtins, data={**head["data"], **arrays})
        sys.modules["__main__"] = self.module
        try:
            exec(compile(head["text"], TEXT, "exec", dont_inherit=True), self.module.__dict__)  # noqa: S102
        except SystemExit as error:
            return {
                "exit": error.code if isinstance(error.code, int) else int(bool(error.code))
            }, {}
        return {"exit": 0}, {}

    def _begin(self, chance: int, names: dict[str, Any] | None = None) -> None:
        """Run the text's top level in a module of its own, with the same chances each time."""
        self.module = ModuleType("strategy")
        random.seed(chance)
        np.random.seed(chance)  # noqa: NPY002, TID251 what a text that asks numpy so draws from
        given = {"__builtins__": builtins, "__returns__": self._returns, **(names or {})}
        self.module.__dict__.update(given)
        exec(self.code, self.module.__dict__)  # noqa: S102

    def _returns(self, line: int, found: Any = None) -> Any:
        self.line = line
        return found

    def _features(self, panel: Any, params: dict[str, Any]) -> dict[str, Any]:
        if not hasattr(self.module, "prepare"):
            return {**{name: getattr(panel, name) for name in FIELDS}, **panel.extras}
        found: Any = self.module.prepare(panel, params)
        if not isinstance(found, dict):
            raise BadAnswer(f"prepare returned {type(found).__name__}; a dict of arrays is needed")
        return {
            str(name): floats(values, (panel.n_bars, panel.n_assets), f"feature {name!r}")
            for name, values in found.items()
        }


def only_read(values: Any) -> Any:
    """Return a view of an array that can't be written to."""
    values.flags.writeable = False
    return values


def grown(values: Any, room: int, count: int) -> Any:
    """Return an array with more room, and nothing known of what is beyond ``count``."""
    out = np.zeros((room, *values.shape[1:]), values.dtype)
    out[:count] = values[:count]
    return out


def wanted(found: Any, panel: Any) -> tuple[dict[str, Any], Any]:
    """Return a decision as JSON and a row of weights; NaN leaves an asset be."""
    shape = (panel.n_assets,)
    if not isinstance(found, dict):
        row = np.full(shape, np.nan) if found is None else floats(found, shape, "decide")
        return {}, row
    unknown = [str(name) for name in found if name not in WANTED]
    if unknown:
        raise BadAnswer(f"decide answers with {', '.join(WANTED)}, not {unknown[0][:40]!r}")
    weights = found.get("weights")
    row = np.full(shape, np.nan) if weights is None else floats(weights, shape, "weights")
    orders = [told_order(one, panel) for one in found.get("orders") or ()]
    return {"orders": orders, "cancel": [plain(one) for one in found.get("cancel") or ()]}, row


def check_plain(reply: dict[str, Any]) -> None:
    """Raise ``BadAnswer`` for what is no JSON: other objects, numbers that are not finite."""
    try:
        json.dumps(reply, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadAnswer(f"orders, cancel and memory are plain JSON ({error})") from None


def told_order(order: Any, panel: Any) -> dict[str, Any]:
    """Return an order as plain JSON; an asset may be named by its symbol."""
    if not isinstance(order, dict):
        raise BadAnswer(f"an order is a dict, not {type(order).__name__}")
    out = {str(name): plain(value) for name, value in order.items()}
    if isinstance(out.get("asset"), str):
        if out["asset"] not in panel.symbols:
            raise BadAnswer(f"no instrument {out['asset'][:40]!r} is traded here")
        out["asset"] = list(panel.symbols).index(out["asset"])
    return out


def plain(value: Any) -> Any:
    """Return a number of numpy's as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def floats(values: Any, shape: tuple[int, ...], what: str) -> Any:
    """Return numbers of that shape. Raises ``BadAnswer``."""
    try:
        found = np.ascontiguousarray(values, dtype="<f8")
    except (TypeError, ValueError) as error:
        raise BadAnswer(f"{what}: numbers are needed ({error})") from None
    if found.shape != shape:
        raise BadAnswer(f"{what} has the shape {found.shape}; {shape} is needed")
    return found


def code_of(error: BaseException) -> str:
    """Return the stable code of what a text raised."""
    kinds = (
        (MemoryError, "strategy.memory_limit"),
        (OutputLimit, "strategy.output_limit"),
        (BadAnswer, "strategy.bad_answer"),
        (OSError, "strategy.forbidden"),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), "strategy.raised")


def told(error: BaseException, returned: int | None = None) -> dict[str, Any]:
    """Return what was raised, with the last line of the user's text that led to it."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    line = returned if isinstance(error, BadAnswer) else line
    at = error.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename == TEXT:
            line = at.tb_lineno
        at = at.tb_next
    words = f"{type(error).__name__}: {error}"[:MOST_WORDS]
    if isinstance(error, BadAnswer):
        words = str(error)[:MOST_WORDS]
    return {"code": code_of(error), "message": words, "line": line}


def read_frame() -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a message of the lab, which is trusted."""
    (size,) = HEAD.unpack(read_exactly(0, HEAD.size))
    head = json.loads(read_exactly(0, size))
    arrays = {}
    for name, kind, shape in head.pop("arrays"):
        dtype = np.dtype(kind)
        count = int(np.prod(shape, dtype=np.int64))
        content = read_exactly(0, count * dtype.itemsize)
        arrays[name] = np.frombuffer(content, dtype).reshape(shape)
    return head, arrays


def answer(held: Held, printed: tuple[Printed, ...], answers: int, faults: Any) -> None:
    """Take one message and answer it."""
    head, arrays = read_frame()
    seconds, reserve = head["seconds"], bytearray(1 << 20)
    faulthandler.dump_traceback_later(seconds, exit=True, file=faults)
    found: dict[str, Any] = {}
    held.line = None
    try:
        reply, out = getattr(held, head["do"])(head, arrays)
        check_plain(reply)
    except BaseException as error:
        del reserve
        found, reply, out = told(error, held.line), {}, {}
        error.__traceback__ = None
    faulthandler.cancel_dump_traceback_later()
    reply = {**reply, "error": found} if found else {**reply, "line": held.line}
    words = {"output": printed[0].take(), "stderr": printed[1].take()}
    write_frame(answers, {**reply, **words}, out)


def main() -> None:
    """Put up the fences, say so, and serve until the lab closes the pipe."""
    config = json.loads(sys.argv[1])
    if config["parent"]:
        # Without a namespace to end with: end with the lab, also when it ended just now.
        LIBC.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        if os.getppid() != config["parent"]:
            os._exit(121)
    answers, faults = config["answers"], config["faults"]
    held = Held()
    printed = tuple(Printed(config["output"], fd) for fd in (1, 2))
    try:
        report = close_fences(config["limits"], config["readable"])
    except (Missing, OSError) as error:
        write_frame(answers, {"missing": str(error)})
        os._exit(120)
    faulthandler.enable(file=faults, all_threads=False)
    sys.stdout, sys.stderr = printed
    # numpy loads these at first use, which takes longer than all else: be ready only then.
    np.random.seed(0)  # noqa: NPY002, TID251 seeded again before each call
    write_frame(answers, {"ready": report})
    while True:
        try:
            answer(held, printed, answers, faults)
        except EOFError:
            os._exit(0)


main()
