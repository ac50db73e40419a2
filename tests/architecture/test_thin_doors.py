"""A door parses, asks, calls once and formats: its functions stay short."""

import ast
from pathlib import Path

DOORS = {"api", "consumers", "receivers", "tasks", "views"}
MAX_STATEMENTS = 10
APPS = Path(__file__).parents[2] / "apps"


def functions_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, sum(isinstance(inner, ast.stmt) for inner in ast.walk(node)) - 1


def long_doors():
    for path in sorted(APPS.glob("*/**/*.py")):
        if not DOORS & {path.stem, *path.relative_to(APPS).parts}:
            continue
        for node, size in functions_of(path):
            if size > MAX_STATEMENTS:
                yield f"{path.relative_to(APPS)}:{node.lineno} {node.name} has {size} statements"


def test_doors_are_thin():
    assert list(long_doors()) == []
