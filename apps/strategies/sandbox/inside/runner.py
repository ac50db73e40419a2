"""The process that runs a user's text: fences first, then one message after another.

``python -P -s -S runner.py CONFIG``: messages come on descriptor 0, answers go to ``answers``, the
trace of a process that hangs or crashes to ``faults``.
"""

# ruff: noqa: BLE001 whatever a user's text raises is told
from __future__ import annotations

import builtins
import faulthandler
import io
import json
import os
import random
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

CONFIG = json.loads(sys.argv[1])
sys.path[:] = [*CONFIG["path"], *[one for one in sys.path if one]]

import numpy as np  # noqa: E402 from the path above
from frames import (  # type: ignore[import-not-found]  # noqa: E402 beside this file
    HEAD,
    read_exactly,
    write_frame,
)
from guard import Missing, close_fences  # type: ignore[import-not-found]  # noqa: E402

TEXT = "<strategy>"
FIELDS = ("open", "high", "low", "close", "volume")
MOST_WORDS = 400


class OutputLimit(BaseException):
    """More was printed than is kept."""


class BadAnswer(Exception):
    """What a function returned is not what the lab asked it for."""


class Printed(io.TextIOBase):
    """Keeps what is printed, up to a limit."""

    def __init__(self, most: int) -> None:
        self.most, self.size = most, 0
        self.parts: list[str] = []

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, text: str) -> int:
        """Keep a text. Raises ``OutputLimit``."""
        self.size += len(text)
        if self.size > self.most:
            raise OutputLimit(f"more than {self.most} characters were printed")
        self.parts.append(str(text))
        return len(text)

    def take(self) -> str:
        """Return what was printed since the last time."""
        text = "".join(self.parts)
        self.parts.clear()
        return text


class Held:
    """What the process holds between messages: the user's module, a panel, its features."""

    def __init__(self) -> None:
        self.module = ModuleType("strategy")
        self.panel: Any = None
        self.features: dict[str, Any] = {}

    def load(self, head: dict[str, Any], arrays: dict[str, Any]) -> Any:  # noqa: ARG002
        """Run the text's top level in a module of its own, with the same chances each time."""
        text = head["text"]
        self.module = ModuleType("strategy")
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002, TID251 what a text that asks numpy so draws from
        self.module.__dict__["__builtins__"] = builtins
        exec(compile(text, TEXT, "exec", dont_inherit=True), self.module.__dict__)  # noqa: S102
        return {}, {}

    def take_panel(self, head: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Keep the bars."""
        fields = {name: arrays[name] for name in FIELDS}
        extras = {name[2:]: array for name, array in arrays.items() if name.startswith("x_")}
        n_bars, n_assets = fields["close"].shape
        self.panel = SimpleNamespace(
            **head["meta"],
            **fields,
            ts=arrays["ts"],
            extras=extras,
            n_bars=n_bars,
            n_assets=n_assets,
        )
        return {}, {}

    def targets(self, head: dict[str, Any], arrays: dict[str, Any]) -> Any:  # noqa: ARG002
        """Return the target weights of every bar of the panel, or of its first ``rows``."""
        panel = self.panel if head.get("rows") is None else cut(self.panel, head["rows"])
        params, shape = head["params"], (panel.n_bars, panel.n_assets)
        if hasattr(self.module, "targets"):
            return {}, {"targets": floats(self.module.targets(panel, params), shape, "targets")}
        features = self._prepared(panel, params)
        out = np.full(shape, np.nan)
        memory: dict[str, Any] = {}
        there = np.isfinite(panel.close)
        for i in range(panel.n_bars):
            view = see(i, panel.ts[i], features, there[i], memory)
            out[i] = row(self.module.decide(view, params), panel.n_assets)
        return {}, {"targets": out}

    def prepare(self, head: dict[str, Any], arrays: dict[str, Any]) -> Any:  # noqa: ARG002
        """Keep the features of the panel for decisions to come."""
        if hasattr(self.module, "decide"):
            self.features = self._prepared(self.panel, head["params"])
        else:
            _, found = self.targets(head, {})
            self.features = found
        return {}, {}

    def _prepared(self, panel: Any, params: dict[str, Any]) -> dict[str, Any]:
        if not hasattr(self.module, "prepare"):
            return {name: getattr(panel, name) for name in FIELDS}
        found = self.module.prepare(panel, params)
        if not isinstance(found, dict):
            raise BadAnswer(f"prepare returned {type(found).__name__}; a dict of arrays is needed")
        return {
            str(name): floats(values, (panel.n_bars, panel.n_assets), f"feature {name!r}")
            for name, values in found.items()
        }

    def decide(self, head: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Return the weights wanted at a bar, and the memory after it."""
        i, memory, n_assets = head["i"], head["memory"], self.panel.n_assets
        if hasattr(self.module, "decide"):
            view = see(i, head["ts"], self.features, arrays["tradable"], memory)
            found = self.module.decide(view, head["params"])
        else:
            found = self.features["targets"][i]
        weights = row(found, n_assets)
        return {"memory": memory}, {"weights": weights}


def see(i: int, ts: int, features: dict[str, Any], tradable: Any, memory: dict[str, Any]) -> Any:
    """Return what may be seen at a close: rows up to it and no further."""
    seen = {name: values[: i + 1] for name, values in features.items()}
    return SimpleNamespace(i=i, ts=int(ts), features=seen, tradable=tradable, memory=memory)


def cut(panel: Any, rows: int) -> Any:
    """Return the first ``rows`` bars."""
    fields = {name: getattr(panel, name)[:rows].copy() for name in (*FIELDS, "ts")}
    extras = {name: array[:rows].copy() for name, array in panel.extras.items()}
    return SimpleNamespace(**{**vars(panel), **fields, "extras": extras, "n_bars": rows})


def floats(values: Any, shape: tuple[int, ...], what: str) -> Any:
    """Return numbers of that shape. Raises ``BadAnswer``."""
    try:
        found = np.ascontiguousarray(values, dtype="<f8")
    except (TypeError, ValueError) as error:
        raise BadAnswer(f"{what}: numbers are needed ({error})") from None
    if found.shape != shape:
        raise BadAnswer(f"{what} has the shape {found.shape}; {shape} is needed")
    return found


def row(values: Any, n_assets: int) -> Any:
    """Return a decision as weights; none is a row of NaN."""
    return np.full(n_assets, np.nan) if values is None else floats(values, (n_assets,), "decide")


def code_of(error: BaseException) -> str:
    """Return the stable code of what a text raised."""
    kinds = (
        (MemoryError, "strategy.memory_limit"),
        (OutputLimit, "strategy.output_limit"),
        (BadAnswer, "strategy.bad_answer"),
        (OSError, "strategy.forbidden"),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), "strategy.raised")


def told(error: BaseException) -> dict[str, Any]:
    """Return what was raised, with the last line of the user's text that led to it."""
    line = error.lineno if isinstance(error, SyntaxError) else None
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


def answer(held: Held, printed: Printed, answers: int, faults: Any) -> None:
    """Take one message and answer it."""
    head, arrays = read_frame()
    seconds, reserve = head["seconds"], bytearray(1 << 20)
    faulthandler.dump_traceback_later(seconds, exit=True, file=faults)
    found: dict[str, Any] = {}
    try:
        reply, out = getattr(held, head["do"])(head, arrays)
        json.dumps(reply)
    except BaseException as error:
        del reserve
        found, reply, out = told(error), {}, {}
        error.__traceback__ = None
    faulthandler.cancel_dump_traceback_later()
    reply = {**reply, "error": found} if found else reply
    write_frame(answers, {**reply, "output": printed.take()}, out)


def main() -> None:
    """Put up the fences, say so, and serve until the lab closes the pipe."""
    answers, faults = CONFIG["answers"], CONFIG["faults"]
    held, printed = Held(), Printed(CONFIG["output"])
    try:
        report = close_fences(CONFIG["limits"])
    except (Missing, OSError) as error:
        write_frame(answers, {"missing": str(error)})
        os._exit(120)
    faulthandler.enable(file=faults, all_threads=False)
    sys.stdout = sys.stderr = printed
    write_frame(answers, {"ready": report})
    while True:
        try:
            answer(held, printed, answers, faults)
        except EOFError:
            os._exit(0)


main()
