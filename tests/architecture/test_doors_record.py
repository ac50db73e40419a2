"""Every door that changes something comes to a service that writes into the trail.

REST operations other than GET, pages that take POST, tasks and management commands are walked from
their functions through the services they call. Those that come to no event stand in ``SILENT``.
"""

import ast
from collections import defaultdict
from pathlib import Path

from tests.architecture.test_services import reaches_the_trail

APPS = Path(__file__).parents[2] / "apps"
WRITES = {"post", "put", "patch", "delete"}
# app.function: why it leaves no event.
SILENT = {
    "accounts.switch_team": "a matter of view: which of one's teams the pages show",
    "approvals.dry_run": "computes; nothing is stored",
    "backtests.deflate": "ratios that follow from what was tried, as of now",
    "backtests.warm": "compiles; nothing is stored",
    "core.end_late_job": "the queue; the service that asked for the job recorded it",
    "core.forget_old": "kept answers and sessions that have run out",
    "core.sweep_jobs": "the queue: what a crash left is handed on",
    "risk.ask_what_if": "computes; nothing is stored",
    "risk.try_shocks": "computes; nothing is stored",
    "strategies.check_code": "reads a text; nothing is stored",
    "strategies.check_expression": "reads a text; nothing is stored",
    "strategies.compare_unsaved": "compares texts; nothing is stored",
    "strategies.preview_expression": "computes; nothing is stored",
    "strategies.warm": "compiles; nothing is stored",
}


def decorators(node):
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        owner = getattr(getattr(called, "value", None), "id", "")
        yield owner, getattr(called, "attr", getattr(called, "id", ""))


def changes(node):
    """Whether a function is a door by which something is changed."""
    found = set(decorators(node))
    return (
        any(owner.endswith("router") and name in WRITES for owner, name in found)
        or ("", "require_POST") in found
        or ("", "shared_task") in found
    )


def doors():
    for path in sorted(APPS.rglob("*.py")):
        if path.stem not in {"api", "views", "tasks"} and path.parent.name not in {"api", "views"}:
            continue
        app = path.relative_to(APPS).parts[0]
        tree = ast.parse(path.read_text())
        functions = {n.name: n for n in ast.walk(tree) if is_function(n)}
        for node in functions.values():
            if changes(node):
                yield app, node, functions, aliases(tree)


def aliases(tree):
    """Names under which a door imports something, with the name it has at home."""
    return {
        name.asname: name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
        if name.asname
    }


def services_by_app():
    found = defaultdict(lambda: defaultdict(list))
    for path in [*APPS.glob("*/services.py"), *APPS.glob("*/services/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if is_function(node):
                found[path.relative_to(APPS).parts[0]][node.name].append(node)
    return found


def is_function(node):
    return isinstance(node, ast.FunctionDef)


def names_used(node, functions, seen):
    """Names a door calls or hands on (``jobs.execute(id, services.run)``), helpers included."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute):
            yield inner.attr
        elif isinstance(inner, ast.Name) and inner.id != node.name:
            yield inner.id
            if inner.id in functions and inner.id not in seen:
                yield from names_used(functions[inner.id], functions, seen | {inner.id})


def silent_doors():
    found = services_by_app()
    for app, node, functions, other_names in doors():
        used = set(names_used(node, functions, frozenset({node.name})))
        used |= {other_names[name] for name in used if name in other_names}
        services = {name for name in used if any(name in names for names in found.values())}
        if not any(reaches_the_trail(name, app, found, frozenset()) for name in services):
            yield f"{app}.{node.name}"


def test_every_door_that_changes_something_leaves_an_event():
    assert sorted(set(silent_doors()) - set(SILENT)) == []


def test_there_is_something_to_walk():
    assert len(list(doors())) > 60
    assert set(SILENT) <= set(silent_doors()), "an excuse that is no longer needed"
