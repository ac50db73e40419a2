"""Texts become code in one place only: within the sandbox."""

import ast
from pathlib import Path

APPS = Path(__file__).parents[2] / "apps"
# What turns a text or bytes into something that runs.
RUNS = {"exec", "eval", "compile", "__import__"}
LOADS = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "code", "codeop"}
# The process behind the fences; a copy of it lies in the sandbox.
WITHIN = APPS / "strategies" / "sandbox" / "inside"


def found_in(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RUNS:
            yield f"{path.relative_to(APPS)}:{node.lineno} {node.func.id}"
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if name.partition(".")[0] in LOADS:
                yield f"{path.relative_to(APPS)}:{node.lineno} {name}"


def test_no_text_is_run_outside_the_sandbox():
    paths = [path for path in APPS.rglob("*.py") if WITHIN not in path.parents]
    assert len(paths) > 100
    assert [one for path in paths for one in found_in(path)] == []


def test_the_check_sees_what_it_looks_for():
    runs = [one.rpartition(" ")[2] for one in found_in(WITHIN / "runner.py")]
    assert {"exec", "compile"} <= set(runs)
