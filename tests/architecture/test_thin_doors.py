"""A door parses, asks, calls once and formats: its functions stay short."""

import ast
from pathlib import Path

DOORS = {"api", "consumers", "receivers", "tasks", "views"}
MAX_STATEMENTS = 10


def long_doors():
    for path in sorted(Path("apps").glob("*/**/*.py")):
        if DOORS & {path.stem, *path.parts}:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    size = sum(isinstance(inner, ast.stmt) for inner in ast.walk(node)) - 1
                    if size > MAX_STATEMENTS:
                        yield f"{path}:{node.lineno} {node.name} has {size} statements, at most {MAX_STATEMENTS}"


def test_doors_are_thin():
    assert list(long_doors()) == []
