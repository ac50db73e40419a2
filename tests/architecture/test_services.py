"""A service takes keywords only, knows who acts, and leaves a line in the trail."""

import ast
from collections import defaultdict
from pathlib import Path

APPS = Path(__file__).parents[2] / "apps"


def service_files():
    for app in sorted(APPS.iterdir()):
        single = app / "services.py"
        folder = app / "services"
        paths = [single] if single.exists() else sorted(folder.glob("*.py"))
        for path in paths:
            yield app.name, path, ast.parse(path.read_text())


def public_functions(tree):
    return [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]


def calls(node):
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            function = inner.func
            yield (
                function.attr
                if isinstance(function, ast.Attribute)
                else getattr(function, "id", "")
            )


def reaches_the_trail(name, app, found, seen):
    """Whether a service calls the trail, itself or through services of its app or another's."""
    if name in {"record", "record_many"}:
        return True
    if (app, name) in seen:
        return False
    homes = [app] if name in found[app] else [other for other in found if name in found[other]]
    return any(
        reaches_the_trail(called, home, found, seen | {(app, name), (home, name)})
        for home in homes
        for node in found[home][name]
        for called in calls(node)
    )


def functions_by_app():
    found = defaultdict(lambda: defaultdict(list))
    for app, _path, tree in service_files():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                found[app][node.name].append(node)
    return found


def takes_actor(node):
    return any(argument.arg == "actor" for argument in node.args.kwonlyargs)


def test_acting_services_record_an_event():
    found = functions_by_app()
    silent = [
        f"{app}.{name}"
        for app, functions in list(found.items())
        for name, nodes in functions.items()
        if not name.startswith("_") and any(takes_actor(node) for node in nodes)
        if not reaches_the_trail(name, app, found, frozenset())
    ]
    assert sorted(silent) == []


def test_services_with_an_actor_take_keywords_only():
    positional = [
        f"{app}: {node.name}({argument.arg})"
        for app, _path, tree in service_files()
        for node in public_functions(tree)
        for argument in node.args.args
        if takes_actor(node)
    ]
    assert positional == []
